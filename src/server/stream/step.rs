//! The protocol as a pure function: what the session knows, what happened, what is to be done. No socket, no
//! clock.

use std::collections::BTreeSet;

use super::wire::ClientFrame;
use crate::access::Bearer;
use crate::hub::Since;

/// Subscriptions of one session.
pub(super) const MOST_SUBS: usize = 64;

/// Why a session ends, with the code that the client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// 4000.
    Malformed,
    /// 4001.
    NoHello,
    /// 4008.
    Slow,
    /// 4029.
    TooManySubs,
    /// 4031.
    NoGrant,
    /// 4503.
    ShuttingDown,
}

impl Close {
    /// The close code and its word.
    pub(super) fn code(self) -> (u16, &'static str) {
        match self {
            Self::Malformed => (4000, "malformed frame"),
            Self::NoHello => (4001, "no hello in time"),
            Self::Slow => (4008, "slow"),
            Self::TooManySubs => (4029, "too many subscriptions"),
            Self::NoGrant => (4031, "a token is needed that is good and holds a role"),
            Self::ShuttingDown => (4503, "shutting down"),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input<'a> {
    /// The client sent a text frame.
    Text(&'a str),
    /// The client sent a binary frame; none is defined.
    Binary,
    /// The time for the `hello` is over.
    HelloDue,
    /// The process ends.
    Shutdown,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    /// See whether the token is good, and answer the `hello`.
    Welcome { id: u64, token: Option<Bearer> },
    /// Follow a channel; the hub answers.
    Subscribe { id: u64, ch: String, since: Option<Since> },
    /// Stop following it.
    Unsubscribe { ch: String },
    /// Say goodbye and end.
    Close(Close),
}

/// What a session knows of its client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Protocol {
    greeted: bool,
    follows: BTreeSet<String>,
}

impl Protocol {
    /// The next state and what is to be done.
    pub(super) fn step(mut self, input: Input<'_>) -> (Self, Option<Output>) {
        let output = match input {
            Input::Binary => Some(Output::Close(Close::Malformed)),
            Input::Shutdown => Some(Output::Close(Close::ShuttingDown)),
            Input::HelloDue => (!self.greeted).then_some(Output::Close(Close::NoHello)),
            Input::Text(text) => Some(match serde_json::from_str(text) {
                Ok(frame) => self.frame(frame),
                Err(_) => Output::Close(Close::Malformed),
            }),
        };
        (self, output)
    }

    fn frame(&mut self, frame: ClientFrame) -> Output {
        match frame {
            ClientFrame::Hello { id, token } if !self.greeted => {
                self.greeted = true;
                Output::Welcome { id, token }
            }
            ClientFrame::Sub { id, ch, since } if self.greeted => {
                if self.follows.len() >= MOST_SUBS && !self.follows.contains(&ch) {
                    return Output::Close(Close::TooManySubs);
                }
                self.follows.insert(ch.clone());
                Output::Subscribe { id, ch, since: since.map(|since| since.since()) }
            }
            ClientFrame::Unsub { ch } if self.greeted => {
                self.follows.remove(&ch);
                Output::Unsubscribe { ch }
            }
            // A second hello, or anything before the first.
            _ => Output::Close(Close::Malformed),
        }
    }

    /// The hub refused the channel: it takes no place.
    pub(super) fn refused(mut self, ch: &str) -> Self {
        self.follows.remove(ch);
        self
    }

    /// Whether the client said `hello`.
    pub(super) fn is_greeted(&self) -> bool {
        self.greeted
    }
}

/// What a client might say, a message a line: it never follows more than it may, and nothing before it was greeted.
#[cfg(feature = "fuzzing")]
pub fn fuzz(bytes: &[u8]) {
    let mut protocol = Protocol::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let input = std::str::from_utf8(line).map_or(Input::Binary, Input::Text);
        let (next, output) = protocol.step(input);
        assert!(next.follows.len() <= MOST_SUBS, "it follows too much");
        assert!(next.greeted || next.follows.is_empty(), "it follows before it was greeted");
        if matches!(output, Some(Output::Close(_))) {
            return;
        }
        protocol = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn say(protocol: Protocol, text: &str) -> (Protocol, Option<Output>) {
        protocol.step(Input::Text(text))
    }

    fn greeted() -> Protocol {
        say(Protocol::default(), r#"{"t":"hello","id":1,"client":{"kind":"wall"}}"#).0
    }

    #[test]
    fn a_hello_is_answered_once_and_must_come_first() {
        let (protocol, output) = say(Protocol::default(), r#"{"t":"hello","id":1}"#);
        assert_eq!(output, Some(Output::Welcome { id: 1, token: None }));
        let told = say(Protocol::default(), r#"{"t":"hello","token":"a.b.c"}"#).1;
        assert_eq!(told, Some(Output::Welcome { id: 0, token: Some(Bearer::new("a.b.c")) }));
        assert_eq!(protocol.clone().step(Input::HelloDue).1, None);
        assert_eq!(say(protocol, r#"{"t":"hello","id":2}"#).1, Some(Output::Close(Close::Malformed)));
        let early = say(Protocol::default(), r#"{"t":"sub","id":1,"ch":"alerts"}"#);
        assert_eq!(early.1, Some(Output::Close(Close::Malformed)));
        assert_eq!(Protocol::default().step(Input::HelloDue).1, Some(Output::Close(Close::NoHello)));
    }

    #[test]
    fn a_subscription_says_what_it_holds_and_a_foreign_epoch_matches_nothing() {
        let sub =
            |e: &str| format!(r#"{{"t":"sub","id":2,"ch":"alerts","since":{{"e":"{e}","q":9}},"max_hz":1}}"#);
        for (text, epoch) in [("0000a1f3", Some(0xa1f3)), ("k3f9", None), ("+00000a1", None), ("", None)] {
            let since = Some(Since { epoch, seq: 9 });
            let expected = Output::Subscribe { id: 2, ch: "alerts".into(), since };
            assert_eq!(say(greeted(), &sub(text)).1, Some(expected), "{text}");
        }
    }

    #[test]
    fn the_sixty_fifth_channel_is_one_too_many_and_a_refused_one_takes_no_place() {
        let sub = |n: usize| format!(r#"{{"t":"sub","id":1,"ch":"c{n}"}}"#);
        let mut protocol = greeted();
        for n in 0..MOST_SUBS {
            protocol = say(protocol, &sub(n)).0;
        }
        assert_eq!(say(protocol.clone(), &sub(64)).1, Some(Output::Close(Close::TooManySubs)));
        assert!(matches!(say(protocol.clone(), &sub(3)).1, Some(Output::Subscribe { .. })));
        assert!(matches!(say(protocol.refused("c3"), &sub(64)).1, Some(Output::Subscribe { .. })));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_protocol_panic(
            text in "\\PC*",
            json in r#"\{"t":"(sub|hello|unsub)",[\[\]{}",:a-z0-9.-]{0,40}\}"#,
        ) {
            for text in [text, json] {
                say(Protocol::default(), &text);
                say(greeted(), &text);
            }
        }
    }
}

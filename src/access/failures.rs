//! How often an address may come with a wrong token before it is told to wait. Bounded in memory; time is an argument.
//!
//! A token is a signature and cannot be guessed. What this protects is the audit log, which would otherwise grow as
//! fast as somebody can knock; a good token is let in however many wrong ones came from behind the same address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::model::Micros;

/// Wrong tokens that an address may show in a window.
const MOST: u32 = 10;
/// The window.
const WINDOW_S: i64 = 60;
/// Addresses that are told apart; the rest share one count.
const ADDRESSES: usize = 4096;

/// What to make of one more failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Say what is wrong.
    Answer,
    /// Say it, and that this was the last answer for a while.
    Last,
    /// Say only when to come back.
    Wait {
        /// In how many seconds.
        seconds: u64,
    },
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Micros,
    failures: u32,
}

/// The failures of the last minute, by address.
#[derive(Debug, Default)]
pub struct Failures {
    windows: HashMap<IpAddr, Window>,
}

impl Failures {
    /// Counts a failure.
    pub fn count(&mut self, from: IpAddr, now: Micros) -> Patience {
        let from = self.place(neighbourhood(from), now);
        let window = self.windows.entry(from).or_insert(Window { since: now, failures: 0 });
        if is_over(window, now) {
            *window = Window { since: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
        match window.failures {
            ..MOST => Patience::Answer,
            MOST => Patience::Last,
            _ => {
                let left = window.since.plus_seconds(WINDOW_S).0.saturating_sub(now.0);
                Patience::Wait { seconds: u64::try_from(left.div_euclid(1_000_000)).unwrap_or(0) + 1 }
            }
        }
    }

    /// The address itself, or everybody's where there are too many of them.
    fn place(&mut self, from: IpAddr, now: Micros) -> IpAddr {
        if self.windows.contains_key(&from) || self.windows.len() < ADDRESSES {
            return from;
        }
        self.windows.retain(|_, window| !is_over(window, now));
        if self.windows.len() < ADDRESSES { from } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) }
    }
}

fn is_over(window: &Window, now: Micros) -> bool {
    now >= window.since.plus_seconds(WINDOW_S) || now < window.since
}

/// One line of a provider has a whole /64 of version 6 to knock from.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        version4 @ IpAddr::V4(_) => version4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn the_eleventh_failure_of_a_minute_waits_and_the_next_minute_begins_anew() {
        let (mut failures, from) = (Failures::default(), IpAddr::from([10, 0, 0, 1]));
        let all: Vec<Patience> = (0..12).map(|n| failures.count(from, Micros(n * SECOND))).collect();
        assert!(all[..9].iter().all(|patience| *patience == Patience::Answer));
        assert_eq!(
            all[9..],
            [Patience::Last, Patience::Wait { seconds: 51 }, Patience::Wait { seconds: 50 }]
        );
        assert_eq!(failures.count(IpAddr::from([10, 0, 0, 2]), Micros(0)), Patience::Answer);
        assert_eq!(failures.count(from, Micros(60 * SECOND)), Patience::Answer);
    }

    #[test]
    fn a_network_of_version_6_counts_as_one_and_memory_is_bounded() {
        let mut failures = Failures::default();
        for host in 0..20_u16 {
            failures.count(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]), Micros(0));
        }
        assert_eq!(failures.windows.len(), 1);
        for n in 0..10_000_u32 {
            failures.count(IpAddr::from(n.to_be_bytes()), Micros(0));
        }
        assert!(failures.windows.len() <= ADDRESSES + 1);
        assert!(matches!(failures.count(IpAddr::from([9, 9, 9, 9]), Micros(1)), Patience::Wait { .. }));
        let later = Micros(61 * SECOND);
        assert_eq!(failures.count(IpAddr::from([9, 9, 9, 8]), later), Patience::Answer);
        assert_eq!(failures.windows.len(), 1);
    }
}

//! The text frames that a client sends and those that only one client gets. Frames for everyone are the
//! hub's.

use serde::{Deserialize, Serialize};

use super::CityInfo;
use crate::access::Bearer;
use crate::hub::Since;
use crate::model::Micros;

/// A frame of a client. Keys that are not known are left alone, so that a newer client may say more.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub(super) enum ClientFrame {
    /// The first one.
    Hello {
        #[serde(default)]
        id: u64,
        /// Where the city asks for one. Here and not in the address, which proxies write down.
        token: Option<Bearer>,
    },
    /// Follow a channel.
    Sub { id: u64, ch: String, since: Option<SinceText> },
    /// Stop following it.
    Unsub { ch: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct SinceText {
    e: String,
    q: u64,
}

impl SinceText {
    /// Eight hex digits; any other text is an epoch that never was.
    pub(super) fn since(&self) -> Since {
        let is_epoch = self.e.len() == 8 && self.e.bytes().all(|b| b.is_ascii_hexdigit());
        Since { epoch: u32::from_str_radix(&self.e, 16).ok().filter(|_| is_epoch), seq: self.q }
    }
}

#[derive(Serialize)]
struct Welcome<'a> {
    t: &'static str,
    id: u64,
    server_us: i64,
    hb_ms: u128,
    city: City<'a>,
    limits: Limits,
}

#[derive(Serialize)]
struct City<'a> {
    name: Name<'a>,
    synthetic: bool,
    time_zone: &'a str,
}

#[derive(Serialize)]
struct Name<'a> {
    en: &'a str,
    zh: &'a str,
}

#[derive(Serialize)]
struct Limits {
    subs: usize,
}

#[derive(Serialize)]
struct Refused<'a> {
    t: &'static str,
    id: u64,
    code: u16,
    msg: &'a str,
    retry: bool,
}

#[derive(Serialize)]
struct Bye {
    t: &'static str,
    code: u16,
    why: &'static str,
    retry_ms: u64,
}

fn text(message: &impl Serialize) -> String {
    // These messages hold nothing that JSON cannot say.
    serde_json::to_string(message).unwrap_or_default()
}

pub(super) fn welcome(
    id: u64,
    city: &CityInfo,
    now: Micros,
    heartbeat: std::time::Duration,
    subs: usize,
) -> String {
    let name = Name { en: &city.name_en, zh: &city.name_zh };
    let city = City { name, synthetic: city.synthetic, time_zone: &city.time_zone };
    let hb_ms = heartbeat.as_millis();
    text(&Welcome { t: "welcome", id, server_us: now.0, hb_ms, city, limits: Limits { subs } })
}

pub(super) fn refused(id: u64, code: u16, msg: &str, retry: bool) -> String {
    text(&Refused { t: "err", id, code, msg, retry })
}

pub(super) fn bye(code: u16, why: &'static str, retry_ms: u64) -> String {
    text(&Bye { t: "bye", code, why, retry_ms })
}

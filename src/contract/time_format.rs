//! How dates and times are written: ISO 8601, or the JDK letters that ODCS asks for, turned into chrono's.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _};
use chrono_tz::Tz;

/// A way of writing dates and times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TimeFormat {
    /// ISO 8601 in its usual shapes, with or without an offset.
    #[default]
    Iso,
    /// A pattern in chrono's letters.
    Pattern {
        /// chrono's letters.
        chrono: String,
        /// The pattern has a time of day.
        has_time: bool,
        /// The pattern has an offset.
        has_offset: bool,
    },
}

/// A letter of a JDK pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "format letters `{0}` are not supported; use yyyy yy M MM MMM d dd H HH h hh m mm s ss SSS a Z X XXX and quoted text"
)]
pub struct UnknownLetters(pub String);

impl TimeFormat {
    /// A format of JDK letters such as `M/d/yyyy` or `yyyy-MM-dd HH:mm:ss`.
    ///
    /// # Errors
    /// [`UnknownLetters`] for letters outside the supported set.
    pub fn from_jdk(pattern: &str) -> Result<Self, UnknownLetters> {
        let mut chrono = String::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                chrono.extend(chars.by_ref().take_while(|&quoted| quoted != '\''));
            } else if c.is_ascii_alphabetic() {
                let mut run = 1;
                while chars.next_if_eq(&c).is_some() {
                    run += 1;
                }
                chrono.push_str(
                    chrono_letters(c, run).ok_or_else(|| UnknownLetters(c.to_string().repeat(run)))?,
                );
            } else if c == '%' {
                chrono.push_str("%%");
            } else {
                chrono.push(c);
            }
        }
        let has_time = chrono.contains("%H")
            || chrono.contains("%I")
            || chrono.contains("%-H")
            || chrono.contains("%-I");
        let has_offset = chrono.contains("%z") || chrono.contains("%:z") || chrono.contains("%#z");
        Ok(Self::Pattern { chrono, has_time, has_offset })
    }

    /// Days since 1970; none where `text` is no date.
    pub fn date(&self, text: &str) -> Option<i32> {
        let date = match self {
            Self::Iso => NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()?,
            Self::Pattern { chrono, has_time: false, .. } => NaiveDate::parse_from_str(text, chrono).ok()?,
            Self::Pattern { chrono, .. } => NaiveDateTime::parse_from_str(text, chrono).ok()?.date(),
        };
        i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
    }

    /// Microseconds since 1970 in UTC; a text without an offset is local time of `zone`.
    pub fn instant(&self, text: &str, zone: Tz) -> Option<i64> {
        match self {
            Self::Iso => iso_instant(text, zone),
            Self::Pattern { chrono, has_offset: true, .. } => {
                DateTime::parse_from_str(text, chrono).ok().map(|t| t.timestamp_micros())
            }
            Self::Pattern { chrono, has_time: true, .. } => {
                local_micros(NaiveDateTime::parse_from_str(text, chrono).ok()?, zone)
            }
            Self::Pattern { chrono, .. } => {
                local_micros(NaiveDate::parse_from_str(text, chrono).ok()?.and_time(NaiveTime::MIN), zone)
            }
        }
    }
}

fn chrono_letters(letter: char, run: usize) -> Option<&'static str> {
    Some(match (letter, run) {
        ('y' | 'u', 4) => "%Y",
        ('y' | 'u', 2) => "%y",
        ('M', 1) => "%-m",
        ('M', 2) => "%m",
        ('M', 3) => "%b",
        ('d', 1) => "%-d",
        ('d', 2) => "%d",
        ('H', 1) => "%-H",
        ('H', 2) => "%H",
        ('h', 1) => "%-I",
        ('h', 2) => "%I",
        ('m', 1 | 2) => "%M",
        ('s', 1 | 2) => "%S",
        ('S', 3) => "%3f",
        ('S', 6) => "%6f",
        ('a', 1) => "%p",
        ('Z', 1) | ('X', 2) => "%z",
        ('X', 3) => "%:z",
        ('X', 1) => "%#z",
        _ => return None,
    })
}

fn iso_instant(text: &str, zone: Tz) -> Option<i64> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.timestamp_micros());
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(local) = NaiveDateTime::parse_from_str(text, format) {
            return local_micros(local, zone);
        }
    }
    if let Ok(instant) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z") {
        return Some(instant.timestamp_micros());
    }
    local_micros(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN), zone)
}

/// Midnight of a date in `zone`, as microseconds in UTC.
pub fn midnight(days: i32, zone: Tz) -> Option<i64> {
    let date = NaiveDate::default().checked_add_signed(chrono::TimeDelta::days(i64::from(days)))?;
    local_micros(date.and_time(NaiveTime::MIN), zone)
}

/// A local time that the clocks showed twice is the earlier instant; one that they skipped is the instant an hour on.
fn local_micros(local: NaiveDateTime, zone: Tz) -> Option<i64> {
    let hour = chrono::TimeDelta::hours(1);
    zone.from_local_datetime(&local)
        .earliest()
        .or_else(|| zone.from_local_datetime(&(local.checked_add_signed(hour)?)).earliest())
        .map(|instant| instant.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::{America, Asia, UTC};

    #[test]
    fn the_citys_dates_are_read_in_the_citys_zone() {
        let chicago = TimeFormat::from_jdk("M/d/yyyy").unwrap();
        assert_eq!(chicago.instant("7/4/2013", America::Chicago), Some(1_372_914_000_000_000));
        assert_eq!(chicago.date("12/31/1969"), Some(-1));
        assert_eq!(chicago.date("2013-07-04"), None);
    }

    #[test]
    fn iso_is_read_in_its_usual_shapes() {
        for (text, micros) in [
            ("2026-03-01T08:00:00Z", 1_772_352_000_000_000),
            ("2026-03-01T16:00:00+08:00", 1_772_352_000_000_000),
            ("2026-03-01 16:00:00", 1_772_352_000_000_000),
            ("2026-03-01T16:00", 1_772_352_000_000_000),
            ("2026-03-01T08:00:00.000001Z", 1_772_352_000_000_001),
        ] {
            assert_eq!(TimeFormat::Iso.instant(text, Asia::Shanghai), Some(micros), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "2026-03-01T25:00:00Z", "1772352000", "二〇二六"] {
            assert_eq!(TimeFormat::Iso.instant(text, UTC), None, "{text}");
        }
    }

    #[test]
    fn hours_that_the_clocks_skip_or_repeat_have_one_instant() {
        let format = TimeFormat::from_jdk("yyyy-MM-dd HH:mm").unwrap();
        assert_eq!(
            format.instant("2013-03-10 02:30", America::Chicago),
            format.instant("2013-03-10 03:30", America::Chicago)
        );
        assert_eq!(format.instant("2013-11-03 01:30", America::Chicago), Some(1_383_460_200_000_000));
        assert!(TimeFormat::from_jdk("yyyy-QQ").is_err());
    }
}

//! The city's day: how busy an hour is. Shanghai time, which has no summer time, so an offset is enough.

/// Hours since local midnight, 0 to 24.
#[expect(clippy::cast_precision_loss, reason = "a day has 86,400 seconds")]
pub fn local_hour(seconds: i64) -> f64 {
    (seconds + 8 * 3_600).rem_euclid(86_400) as f64 / 3_600.0
}

/// A bump of height 1 at `hour`, `width` hours wide.
fn bump(at: f64, hour: f64, width: f64) -> f64 {
    let away = (at - hour).abs();
    let d = away.min(24.0 - away) / width;
    1.0 / (1.0 + d * d * d * d)
}

/// How full the roads are, 0 (night) to 1 (rush hour).
pub fn rush(seconds: i64) -> f64 {
    let hour = local_hour(seconds);
    (0.12 + 0.80 * bump(hour, 7.9, 1.3) + 0.75 * bump(hour, 17.8, 1.6) + 0.38 * bump(hour, 12.8, 4.0))
        .min(1.0)
}

/// How much people call, report and go out, 0.35 (night) to 1.
pub fn awake(seconds: i64) -> f64 {
    let hour = local_hour(seconds);
    (0.35 + 0.60 * bump(hour, 10.0, 3.2) + 0.60 * bump(hour, 16.5, 4.0)).min(1.0)
}

/// How many are out for pleasure, 0.05 to 1.
pub fn leisure(seconds: i64) -> f64 {
    let hour = local_hour(seconds);
    (0.05 + 0.55 * bump(hour, 14.5, 3.5) + 0.60 * bump(hour, 19.8, 2.0)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rush_hours_are_shanghais_not_greenwichs() {
        let at = |utc_hour: i64| rush(utc_hour * 3_600);
        assert!(at(0) > 0.8 && at(10) > 0.8, "08:00 and 18:00 in Shanghai");
        assert!(at(19) < 0.3, "03:00 in Shanghai");
        for minute in 0..1_440 {
            for value in [rush(minute * 60), awake(minute * 60), leisure(minute * 60)] {
                assert!((0.0..=1.0).contains(&value));
            }
        }
    }
}

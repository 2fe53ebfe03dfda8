//! Portable dice: the same seed throws the same numbers on every machine and with every version of every crate.
//!
//! Not for secrets. The committed areas depend on it byte for byte, so its arithmetic must never change.

/// `SplitMix64` (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that depend on all of `keys`, in order.
    pub fn of(keys: &[u64]) -> Self {
        Self(keys.iter().fold(0x00C1_7100_6D1C_E000, |state, key| mix(state ^ mix(*key))))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Even over 0 ≤ x < 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Even over `low` ≤ x < `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Even over 0 ≤ x < `n`; 0 where `n` is 0.
    #[expect(clippy::cast_possible_truncation, reason = "the product's high half is below `n`")]
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// True with this chance.
    pub fn chance(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// Roughly normal (a sum of four), mean 0, deviation 1, never beyond ±3.5.
    pub fn bell(&mut self) -> f64 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * 1.732_050_807_568_877_2
    }

    /// One of the choices; none of an empty list.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len()))
    }

    /// How many events happen where `mean` are expected: the whole part, and one more with the rest's chance.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "means are small and not negative"
    )]
    pub fn count(&mut self, mean: f64) -> usize {
        mean.max(0.0) as usize + usize::from(self.chance(mean.max(0.0).fract()))
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_keys_throw_the_same_numbers_and_others_do_not() {
        let throw = |keys: &[u64]| Dice::of(keys).bits();
        assert_eq!(throw(&[1, 2]), throw(&[1, 2]));
        assert_ne!(throw(&[1, 2]), throw(&[2, 1]));
        assert_ne!(throw(&[1]), throw(&[1, 0]));
    }

    #[test]
    fn throws_stay_in_their_bounds_and_are_even() {
        let mut dice = Dice::of(&[7]);
        let mut sum = 0.0;
        for _ in 0..10_000 {
            let x = dice.between(2.0, 4.0);
            assert!((2.0..4.0).contains(&x) && dice.below(3) < 3 && dice.bell().abs() <= 3.5);
            sum += x;
        }
        assert!((sum / 10_000.0 - 3.0).abs() < 0.03);
        assert_eq!((dice.below(0), dice.pick::<u8>(&[])), (0, None));
    }
}

//! How rows say in which unit a column's numbers are.

/// The key in a column's metadata under which its unit stands.
pub const UNIT: &str = "unit";
/// A longer text is no unit, in bytes.
pub const LONGEST_UNIT: usize = 64;

//! The demo city: a seeded generator of areas and feeds. Synthetic, and it says so.

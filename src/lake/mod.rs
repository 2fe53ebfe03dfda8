//! The lake: Delta tables with lean commits on an fsyncing store.

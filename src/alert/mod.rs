//! Rows of alert queries become alerts: raised, updated, cleared. Pure; the journal records what it decides.

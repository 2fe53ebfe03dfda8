//! A feed's promise (ODCS v3.1) and the vectorised check of batches against it.

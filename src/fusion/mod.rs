//! Analysts' SQL over the lake: catalog, functions, queries, refresh.

pub mod udf;

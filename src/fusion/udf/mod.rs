//! SQL functions of cityloom's own.

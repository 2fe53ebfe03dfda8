//! Landing: a file or batch in, a receipt out.

//! The city folder's settings.

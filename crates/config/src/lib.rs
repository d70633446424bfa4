//! The configuration language.

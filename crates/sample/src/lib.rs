//! Samples and what is done with them.

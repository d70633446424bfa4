//! The Lua classes.

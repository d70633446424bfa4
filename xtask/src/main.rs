//! Developer's commands.
fn main() {}

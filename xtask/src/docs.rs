//! `cargo xtask docs`: writes the reference pages from the program's tables.
//!
//! The pages are made by the test that holds them to the tables, so that the two cannot differ.

use crate::{Result, cargo};

pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<()> {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let status = cargo::command()
        .args(["test", "--quiet", "--package", "tidegate", "--test", "docs"])
        .env("TIDEGATE_WRITE_DOCS", "1")
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("the pages could not be written".into())
    }
}

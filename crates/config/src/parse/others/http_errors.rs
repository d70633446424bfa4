//! `http-errors`: a set of error pages that proxies refer to.

use super::forms::{line, text};
use super::{Header, Made, Other, OtherCx};
use crate::parse::args::{Args, Parsed};
use crate::parse::errors;
use crate::parse::keyword::Status;

pub(super) const HTTP_ERRORS: Other = Other {
    name: "http-errors",
    arguments: "<name>",
    doc: "a set of error pages",
    status: Status::Served(()),
    header: Header::Name,
    rows: &[line(
        "errorfile",
        "<status> <file>",
        "a file in place of an error page",
        errorfile,
    )],
    end,
};

fn errorfile(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let status = errors::status(args)?;
    let page = errors::file_page(text(args, "a file")?, cx.files)?;
    cx.state.pages.insert(status, page);
    Ok(())
}

fn end(cx: &mut OtherCx<'_>) {
    let pages = std::mem::take(&mut cx.state.pages);
    cx.state.made = Some(Made::HttpErrors(cx.state.name.clone(), pages));
}

//! What is written of an answer, a slice at a time.

use std::rc::Rc;

use tidegate_proxy::{HttpApplet, ServiceError};

/// The text that is about to be sent.
pub(super) struct Writer<'a> {
    applet: &'a Rc<HttpApplet>,
    pub(super) text: String,
}

impl<'a> Writer<'a> {
    pub(super) fn new(applet: &'a Rc<HttpApplet>) -> Self {
        Writer {
            applet,
            text: String::new(),
        }
    }

    /// Sends what there is, and waits until the client has room for more.
    pub(super) async fn flush(&mut self) -> Result<(), ServiceError> {
        match self.text.is_empty() {
            true => Ok(()),
            false => self.applet.send(std::mem::take(&mut self.text).into()).await,
        }
    }
}

//! HTTP/1 on the wire. The only module that names hyper.

mod body;

pub use body::RequestBody;
pub use hyper::ext::ReasonPhrase;

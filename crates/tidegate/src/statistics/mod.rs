//! The page of statistics that proxies serve (`stats`): what the runtime API's `show stat` tells, for browsers and for
//! programs, and servers' states that can be changed there.
//!
//! It is written in slices: a worker that answers goes on with its other sessions between them.

mod change;
mod html;
mod prometheus;
mod query;
mod writer;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use tidegate_proxy::ext::{Failure, HttpApplet, HttpService, Run};
use tidegate_proxy::{Plane, ServiceError};
use tidegate_sample::Condition;
use tokio::sync::watch;

use crate::runtime::About;
use crate::runtime::stat;
use crate::runtime::stat::fields::{Object, object, places};
use html::Html;
pub(crate) use prometheus::Exporter;
use query::{Form, Query};
use writer::Writer;

/// The handle on what runs, which is there once it does.
pub(crate) type Handle = watch::Receiver<Option<Arc<About>>>;

/// What the page of one proxy shows, and how.
pub(crate) struct Settings {
    /// What the targets of requests for it begin with.
    pub(crate) prefix: String,
    /// The proxies that it shows; all, if none is named.
    pub(crate) scope: Vec<String>,
    /// How often browsers ask again.
    pub(crate) refresh: Option<Duration>,
    /// The program's version, if it is told.
    pub(crate) version: Option<&'static str>,
    /// A description, if there is one.
    pub(crate) description: Option<String>,
    /// The machine's name, if it is told.
    pub(crate) node: Option<String>,
    /// Whether addresses, numbers and modes are shown.
    pub(crate) legends: bool,
    /// Servers may be changed where one of them holds.
    pub(crate) admin: Vec<Condition>,
}

impl Settings {
    /// Whether a proxy of this name is shown to this request.
    fn shows(&self, proxy: &str, query: &Query) -> bool {
        let in_scope = self.scope.is_empty() || self.scope.iter().any(|name| name == proxy);
        in_scope
            && query
                .scope
                .as_ref()
                .is_none_or(|part| proxy.contains(part.as_str()))
    }
}

/// Serves the page.
pub(crate) struct Page(Arc<Inner>);

struct Inner {
    settings: Settings,
    handle: Handle,
    started: Instant,
}

impl Page {
    pub(crate) fn new(settings: Settings, handle: Handle) -> Page {
        Page(Arc::new(Inner {
            settings,
            handle,
            started: Instant::now(),
        }))
    }
}

impl HttpService for Page {
    fn serve(&self, applet: Rc<HttpApplet>) -> Run<'static, Result<(), Failure>> {
        let page = Arc::clone(&self.0);
        Run::suspended(async move {
            match page.answer(&applet).await {
                // Nobody is left to be told.
                Ok(()) | Err(ServiceError::ClientGone) => Ok(()),
                Err(error) => Err(Failure::new(error.to_string())),
            }
        })
    }

    fn name(&self) -> Arc<str> {
        "STATS".into()
    }
}

/// Rows between two looks at what else there is to do.
const SLICE: usize = 32;

impl Inner {
    async fn answer(&self, applet: &Rc<HttpApplet>) -> Result<(), ServiceError> {
        let (method, target) = match applet.txn().request_head() {
            Some(head) => (
                head.method.clone(),
                head.uri
                    .path_and_query()
                    .map_or(String::new(), |target| target.to_string()),
            ),
            None => return Ok(()),
        };
        let Some(control) = running(self.handle.clone())
            .await
            .map(|about| about.control.clone())
        else {
            applet.set_status(503, None)?;
            return applet.start_response();
        };
        let query = Query::of(target.strip_prefix(&self.settings.prefix).unwrap_or_default());
        let admin = self.may_change(applet);
        if method == Method::POST {
            let outcome = change::change(&self.settings, &control, applet, admin).await?;
            return redirect(applet, &query.after(&self.settings.prefix, outcome));
        }
        applet.add_header(b"content-type", query.form.content_type().as_bytes())?;
        applet.add_header(b"cache-control", b"no-cache")?;
        applet.add_header(b"x-content-type-options", b"nosniff")?;
        if query.form == Form::Html {
            applet.add_header(
                b"content-security-policy",
                b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
            )?;
            if let Some(delay) = self.settings.refresh.filter(|_| query.refreshes) {
                applet.add_header(b"refresh", delay.as_secs().max(1).to_string().as_bytes())?;
            }
        }
        applet.start_response()?;
        let mut writer = Writer::new(applet);
        let Some(plane) = control.plane() else {
            return Ok(());
        };
        let places = places(&plane);
        let mut html = Html::new(&self.settings, &query, admin);
        match query.form {
            Form::Html => html.begin(&plane, self.started.elapsed(), &mut writer.text),
            Form::Csv => writer.text.push_str(&stat::header()),
            Form::Json => writer.text.push('['),
            Form::Typed => {}
        }
        drop(plane);
        let mut first = true;
        for slice in places.chunks(SLICE) {
            let Some(plane) = control.plane() else { break };
            for object in slice.iter().filter_map(|place| object(&plane, *place)) {
                if self.settings.shows(&object.proxy, &query) && query.takes(&object) {
                    self.row(&plane, &object, &query, (&mut html, first), &mut writer.text);
                    first = false;
                }
            }
            drop(plane);
            writer.flush().await?;
            tokio::task::yield_now().await;
        }
        match query.form {
            Form::Html => html.end(&mut writer.text),
            Form::Csv => writer.text.push('\n'),
            Form::Json => writer.text.push_str("]\n"),
            Form::Typed => {}
        }
        writer.flush().await
    }

    fn row(
        &self,
        plane: &Plane,
        object: &Object,
        query: &Query,
        (html, first): (&mut Html<'_>, bool),
        text: &mut String,
    ) {
        match query.form {
            Form::Html => html.row(plane, object, text),
            Form::Csv => {
                text.push('\n');
                stat::row(object, text);
            }
            Form::Json => {
                if !first {
                    text.push(',');
                }
                text.push_str(&stat::json_row(object));
            }
            Form::Typed => stat::typed_rows(object, false, text),
        }
    }

    fn may_change(&self, applet: &HttpApplet) -> bool {
        let txn = applet.txn();
        self.settings.admin.iter().any(|condition| condition.eval(&**txn))
    }
}

/// What runs: the first sessions may come while others are still being prepared for.
async fn running(mut handle: Handle) -> Option<Arc<About>> {
    handle.wait_for(Option::is_some).await.ok()?.clone()
}

fn redirect(applet: &HttpApplet, to: &str) -> Result<(), ServiceError> {
    applet.set_status(303, None)?;
    applet.add_header(b"location", to.as_bytes())?;
    applet.add_header(b"cache-control", b"no-cache")?;
    applet.add_header(b"content-length", b"0")?;
    applet.start_response()
}

//! `http-request use-service prometheus-exporter`: the figures of `show info` and `show stat` in the text format of Prometheus, under
//! the names that HAProxy's exporter gives them.
//!
//! All samples of a metric stand together, so the rows are looked at first, and then told one metric after the other. A worker that
//! answers goes on with its other sessions in between.

mod metrics;
mod query;
mod text;

use std::rc::Rc;
use std::sync::Arc;

use tidegate_proxy::ext::{Failure, HttpApplet, HttpService, Run};
use tidegate_proxy::{Plane, ServiceError};

use super::writer::Writer;
use super::{Handle, SLICE, running};
use crate::runtime::About;
use crate::runtime::stat::fields::{Kind, Object, object, places};
use crate::runtime::typed::Typed;
use metrics::{OBJECTS, OfProcessTells, PROCESS};
use query::{Query, Scope};
use text::{Head, Labels, sample};

const CONTENT_TYPE: &[u8] = b"text/plain; version=0.0.4";

/// Text that is sent before more is made.
const PIECE_BYTES: usize = 16 * 1024;

/// Serves the metrics.
pub(crate) struct Exporter {
    handle: Handle,
}

impl Exporter {
    pub(crate) fn new(handle: Handle) -> Exporter {
        Exporter { handle }
    }
}

impl HttpService for Exporter {
    fn serve(&self, applet: Rc<HttpApplet>) -> Run<'static, Result<(), Failure>> {
        let handle = self.handle.clone();
        Run::suspended(async move {
            match answer(&applet, running(handle).await).await {
                // Nobody is left to be told.
                Ok(()) | Err(ServiceError::ClientGone) => Ok(()),
                Err(error) => Err(Failure::new(error.to_string())),
            }
        })
    }

    fn name(&self) -> Arc<str> {
        "PROMEX".into()
    }
}

async fn answer(applet: &Rc<HttpApplet>, about: Option<Arc<About>>) -> Result<(), ServiceError> {
    let query = match applet.txn().request_head() {
        Some(head) => Query::of(head.uri.query().unwrap_or_default()),
        None => return Ok(()),
    };
    applet.add_header(b"cache-control", b"no-cache")?;
    let Some(about) = about else {
        applet.set_status(503, None)?;
        return applet.start_response();
    };
    let query = match query {
        Ok(query) => query,
        Err(wrong) => {
            applet.set_status(400, None)?;
            applet.add_header(b"content-type", b"text/plain; charset=utf-8")?;
            applet.start_response()?;
            return applet.send(format!("{wrong}\n").into()).await;
        }
    };
    applet.add_header(b"content-type", CONTENT_TYPE)?;
    applet.start_response()?;
    let mut writer = Writer::new(applet);
    if let Some(plane) = about.control.plane() {
        of_process(&about, &plane, &query, &mut writer.text);
    }
    writer.flush().await?;
    let rows = rows(&about, &query).await;
    for (scope, kind) in Scope::OBJECTS {
        if query.has(scope) {
            of_objects((scope, kind), &rows, &query, &mut writer).await?;
        }
    }
    if let Some(plane) = about.control.plane() {
        of_tables(&plane, &query, &mut writer.text);
    }
    writer.flush().await
}

/// The rows of all that is wanted, and those of the servers that backends are told of by.
async fn rows(about: &About, query: &Query) -> Vec<Object> {
    let mut rows = Vec::new();
    if !Scope::OBJECTS.iter().any(|(scope, _)| query.has(*scope)) {
        return rows;
    }
    let places = match about.control.plane() {
        Some(plane) => places(&plane),
        None => return rows,
    };
    for slice in places.chunks(SLICE) {
        match about.control.plane() {
            Some(plane) => rows.extend(slice.iter().filter_map(|place| object(&plane, *place))),
            None => break,
        }
        tokio::task::yield_now().await;
    }
    rows
}

fn of_process(about: &About, plane: &Plane, query: &Query, out: &mut String) {
    if !query.has(Scope::Process) {
        return;
    }
    let figures = crate::runtime::info::figures(about, plane);
    let figure = |name: &str| figures.iter().find(|figure| figure.name == name);
    for metric in PROCESS {
        let name = Scope::Process.metric(metric.name);
        if !query.wants(&name) {
            continue;
        }
        let mut tell = |doc, labels: Labels, value: &Typed| {
            Head::new(&name, metric.nature, doc).write(out);
            sample(&name, &labels, value, out);
        };
        match metric.tells {
            OfProcessTells::Figure(from) => {
                if let Some(figure) = figure(from) {
                    tell(figure.doc, Labels::default(), &figure.value);
                }
            }
            OfProcessTells::Version(from) => {
                if let Some(figure) = figure(from) {
                    let mut labels = Labels::default();
                    labels.add("version", &figure.value.to_string());
                    tell(figure.doc, labels, &Typed::U32(1));
                }
            }
            OfProcessTells::Total(what, doc) => {
                tell(doc, Labels::default(), &Typed::U64(plane.tallied(what)));
            }
        }
    }
}

async fn of_objects(
    (scope, kind): (Scope, Kind),
    rows: &[Object],
    query: &Query,
    writer: &mut Writer<'_>,
) -> Result<(), ServiceError> {
    for metric in OBJECTS.iter().filter(|metric| metric.is_of(kind)) {
        let name = scope.metric(metric.name);
        if !query.wants(&name) {
            continue;
        }
        let columns = metric.columns();
        let mut head = Some(Head::new(&name, metric.nature, metric.doc()));
        let wanted = |row: &Object| row.kind == kind && query.takes(row);
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| wanted(row)) {
            let labels = Labels::of(row);
            metric.each(
                row,
                &columns,
                servers_before(rows, at, row),
                &mut |label, value| {
                    if let Some(head) = head.take() {
                        head.write(&mut writer.text);
                    }
                    sample(&name, &labels.with(label), value, &mut writer.text);
                },
            );
            if writer.text.len() >= PIECE_BYTES {
                writer.flush().await?;
            }
        }
        tokio::task::yield_now().await;
    }
    writer.flush().await
}

/// The servers of the proxy of a row that stand right before it: a backend's own.
fn servers_before<'r>(rows: &'r [Object], at: usize, row: &Object) -> &'r [Object] {
    let before = rows.get(..at).unwrap_or_default();
    let is_own = |other: &Object| other.kind == Kind::Server && other.proxy_id == row.proxy_id;
    let last_other = before.iter().rposition(|other| !is_own(other));
    before
        .get(last_other.map_or(0, |other| other + 1)..)
        .unwrap_or_default()
}

fn of_tables(plane: &Plane, query: &Query, out: &mut String) {
    if !query.has(Scope::StickTable) {
        return;
    }
    let now = tidegate_proxy::ticks();
    for (name, doc, figure) in metrics::TABLES {
        let name = Scope::StickTable.metric(name);
        let mut head = Some(Head::new(&name, metrics::Nature::Gauge, doc)).filter(|_| query.wants(&name));
        if head.is_none() {
            continue;
        }
        for table in plane.global().tables.all() {
            if let Some(head) = head.take() {
                head.write(out);
            }
            let mut labels = Labels::default();
            labels.add("name", table.name());
            labels.add("type", table.spec().key.name());
            sample(&name, &labels, figure(table, now), out);
        }
    }
}

//! `show info`: the process in figures.

use std::time::{Duration, SystemTime};

use tidegate_config::model::AccessLevel;
use tidegate_exec::heap;
use tidegate_proxy::peers::PeerView;
use tidegate_proxy::{Plane, Pulse, Tallied};

use super::process::version;
use crate::runtime::about::About;
use crate::runtime::command::{Answer, Call, Command, Refusal, served};
use crate::runtime::typed::{Nature, Origin, Scope, Tags, Typed, json_text};
use crate::system;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show info", "[typed|json] [desc] [float]", AccessLevel::User, "the process in figures", show),
];

/// One figure.
struct Field {
    /// HAProxy's number for it.
    position: u16,
    name: &'static str,
    tags: Tags,
    doc: &'static str,
    value: fn(&Source<'_>) -> Typed,
}

/// Where the figures come from.
struct Source<'s> {
    about: &'s About,
    plane: &'s Plane,
    uptime: Duration,
    /// Whether fractions are wanted.
    float: bool,
}

const fn field(
    position: u16,
    name: &'static str,
    tags: Tags,
    doc: &'static str,
    value: fn(&Source<'_>) -> Typed,
) -> Field {
    Field {
        position,
        name,
        tags,
        doc,
        value,
    }
}

const PRODUCT: Tags = Tags(Origin::Product, Nature::Output, Scope::Service);
const CONFIG: Tags = Tags(Origin::Config, Nature::Gauge, Scope::Service);
const LIMIT: Tags = Tags(Origin::Config, Nature::Limit, Scope::Process);
const GAUGE: Tags = Tags(Origin::Metric, Nature::Gauge, Scope::Process);
const COUNT: Tags = Tags(Origin::Metric, Nature::Counter, Scope::Process);
const RATE: Tags = Tags(Origin::Metric, Nature::Rate, Scope::Process);
const MOST: Tags = Tags(Origin::Metric, Nature::Max, Scope::Process);
const AGE: Tags = Tags(Origin::Metric, Nature::Duration, Scope::Process);

/// HAProxy's figures, in its order. Those of things that aren't here are left out.
#[rustfmt::skip]
const FIELDS: &[Field] = &[
    field(0, "Name", PRODUCT, "the product's name", |_| Typed::text("Tidegate")),
    field(1, "Version", PRODUCT, "the version of HAProxy's language, then the program's own", |_| Typed::Text(version())),
    field(3, "Nbthread", CONFIG, "worker threads", |s| Typed::u32(s.plane.global().threads)),
    field(4, "Nbproc", CONFIG, "processes, which is always 1", |_| Typed::U32(1)),
    field(5, "Process_num", Tags(Origin::Key, Nature::Gauge, Scope::Process), "the process's number, which is always 1", |_| Typed::U32(1)),
    field(6, "Pid", Tags(Origin::Status, Nature::Gauge, Scope::Process), "the process's number in the system", |_| Typed::U32(std::process::id())),
    field(7, "Uptime", AGE, "time since the start", |s| Typed::Text(days(s.uptime))),
    field(8, "Uptime_sec", AGE, "seconds since the start", |s| match s.float {
        true => Typed::Float(s.uptime.as_secs_f64()),
        false => Typed::u32(s.uptime.as_secs()),
    }),
    field(9, "Memmax_MB", LIMIT, "most memory of the process (`-m`), in MiB; 0 for no limit", |s| Typed::u32(s.about.facts.memory_mib_max)),
    field(10, "PoolAlloc_MB", GAUGE, "memory that the allocator has of the system, in MiB", |_| Typed::u32(held() >> 20)),
    field(11, "PoolUsed_MB", GAUGE, "what of it is in use, in MiB", |_| Typed::u32(used() >> 20)),
    field(12, "PoolFailed", COUNT, "memory that wasn't to be had: the process doesn't outlive that", |_| Typed::U32(0)),
    field(13, "Ulimit-n", LIMIT, "most descriptors of the process", |_| Typed::u32(system::descriptors_max())),
    field(14, "Maxsock", LIMIT, "most sockets of the process, which its descriptors bound", |_| Typed::u32(system::descriptors_max())),
    field(15, "Maxconn", LIMIT, "most client connections", |s| Typed::u32(s.plane.connections_max())),
    field(16, "Hard_maxconn", LIMIT, "most client connections that the system has room for", |s| Typed::u32(s.plane.global().maxconn)),
    field(17, "CurrConns", GAUGE, "client connections now", |s| Typed::U32(s.plane.connections())),
    field(18, "CumConns", COUNT, "client connections since the start", |s| Typed::U64(s.plane.connections_total())),
    field(19, "CumReq", COUNT, "requests and streams since the start", |s| Typed::U64(s.plane.requests())),
    field(20, "MaxSslConns", LIMIT, "most connections over TLS; 0 for no limit of their own", |s| Typed::u32(s.plane.tls_connections_max().unwrap_or(0))),
    field(21, "CurrSslConns", GAUGE, "connections over TLS now, of both sides", |s| Typed::u32(s.plane.tls_connections())),
    field(22, "CumSslConns", COUNT, "connections over TLS since the start, of both sides", |s| Typed::U64(s.plane.tallied(Tallied::TlsConnections))),
    field(23, "Maxpipes", LIMIT, "most pipes by which the system moves bytes from socket to socket", |s| pipes(s, 0)),
    field(24, "PipesUsed", GAUGE, "those of them that bytes are in", |s| pipes(s, 1)),
    field(25, "PipesFree", GAUGE, "those that are empty and wait", |s| pipes(s, 2)),
    field(26, "ConnRate", RATE, "client connections in the last second", |s| often(s, Pulse::Connections)),
    field(27, "ConnRateLimit", LIMIT, "most client connections per second; 0 for no limit", |s| Typed::U32(pace(s, 0))),
    field(28, "MaxConnRate", MOST, "most client connections of a second", |s| most(s, Pulse::Connections)),
    field(29, "SessRate", RATE, "sessions in the last second", |s| often(s, Pulse::Sessions)),
    field(30, "SessRateLimit", LIMIT, "most sessions per second; 0 for no limit", |s| Typed::U32(pace(s, 1))),
    field(31, "MaxSessRate", MOST, "most sessions of a second", |s| most(s, Pulse::Sessions)),
    field(32, "SslRate", RATE, "client connections over TLS in the last second", |s| often(s, Pulse::TlsConnections)),
    field(33, "SslRateLimit", LIMIT, "most client connections over TLS per second; 0 for no limit", |s| Typed::U32(pace(s, 2))),
    field(34, "MaxSslRate", MOST, "most client connections over TLS of a second", |s| most(s, Pulse::TlsConnections)),
    field(35, "SslFrontendKeyRate", RATE, "handshakes with clients that made new keys in the last second", |s| often(s, Pulse::ClientKeys)),
    field(36, "SslFrontendMaxKeyRate", MOST, "most of them in a second", |s| most(s, Pulse::ClientKeys)),
    field(37, "SslFrontendSessionReuse_pct", GAUGE, "the part of the last handshakes with clients that made none, in percent", |s| {
        Typed::u32(s.plane.tls_reused_percent())
    }),
    field(38, "SslBackendKeyRate", RATE, "handshakes with servers that made new keys in the last second", |s| often(s, Pulse::ServerKeys)),
    field(39, "SslBackendMaxKeyRate", MOST, "most of them in a second", |s| most(s, Pulse::ServerKeys)),
    field(40, "SslCacheLookups", COUNT, "sessions of TLS that were looked for since the start", |s| Typed::U64(s.plane.tallied(Tallied::SessionLookups))),
    field(41, "SslCacheMisses", COUNT, "those that weren't kept", |s| Typed::U64(s.plane.tallied(Tallied::SessionMisses))),
    field(42, "CompressBpsIn", RATE, "bytes of bodies that were compressed in the last second", |s| growth(s, Tallied::CompressedIn)),
    field(43, "CompressBpsOut", RATE, "bytes that became of them", |s| growth(s, Tallied::CompressedOut)),
    field(44, "CompressBpsRateLim", LIMIT, "most bytes that may be compressed in a second; 0 for no limit", |s| Typed::U32(s.plane.compression_limit().bytes())),
    field(47, "Tasks", GAUGE, "tasks of all workers: sessions, checks and what else goes on by itself", |s| Typed::u32(s.plane.tasks())),
    field(48, "Run_queue", GAUGE, "those that another thread has woken and that wait for their worker", |s| Typed::u32(s.plane.tasks_waiting())),
    field(49, "Idle_pct", Tags(Origin::Metric, Nature::Average, Scope::Process), "the part of the last second in which the workers had nothing to do, in percent", |s| {
        Typed::u32(s.plane.idle_percent())
    }),
    field(50, "node", Tags(Origin::Config, Nature::Output, Scope::Service), "the name of this machine", |s| Typed::text(&s.about.facts.node)),
    field(51, "description", Tags(Origin::Config, Nature::Output, Scope::Service), "`description` of the configuration", |s| {
        Typed::text(s.about.facts.description.as_deref().unwrap_or_default())
    }),
    field(52, "Stopping", GAUGE, "1 while the process comes to its end", |s| Typed::U32(s.plane.is_stopping().into())),
    field(53, "Jobs", GAUGE, "what keeps the process: client connections, listening sockets, connections to the runtime API", jobs),
    field(54, "Unstoppable Jobs", GAUGE, "what keeps it even when it stops, which nothing does", |_| Typed::U32(0)),
    field(55, "Listeners", GAUGE, "listening sockets of frontends and of the runtime API", listeners),
    field(56, "ActivePeers", GAUGE, "peers that a connection is there with or sought to", |s| {
        Typed::u32(peers(s, |peer| peer.status != "NONE"))
    }),
    field(57, "ConnectedPeers", GAUGE, "peers that a connection is there with", |s| Typed::u32(peers(s, |peer| peer.status == "ESTA"))),
    field(58, "DroppedLogs", COUNT, "log lines that were dropped because too many were waiting", |s| Typed::u32(s.plane.dropped_log_lines())),
    field(59, "BusyPolling", GAUGE, "whether threads never sleep, which they do", |_| Typed::U32(0)),
    field(60, "FailedResolutions", GAUGE, "names that name servers didn't resolve since the start", |s| {
        Typed::U64(s.plane.tallied(Tallied::FailedResolutions))
    }),
    field(61, "TotalBytesOut", GAUGE, "bytes sent since the start, on connections of both sides", |s| Typed::U64(s.plane.tallied(Tallied::BytesOut))),
    field(62, "TotalSplicdedBytesOut", COUNT, "those of them that the system moved from socket to socket", |s| Typed::U64(s.plane.tallied(Tallied::SplicedOut))),
    field(63, "BytesOutRate", RATE, "bytes sent in the last second", |s| growth(s, Tallied::BytesOut)),
    field(64, "DebugCommandsIssued", COUNT, "dangerous commands, of which there are none", |_| Typed::U32(0)),
    field(65, "CumRecvLogs", COUNT, "log lines that `log-forward` sections received since the start", |s| {
        Typed::U64(s.plane.tallied(Tallied::LogLines))
    }),
    field(66, "Build info", PRODUCT, "the program's own version", |_| Typed::text(env!("CARGO_PKG_VERSION"))),
    field(67, "Memmax_bytes", LIMIT, "most memory of the process (`-m`), in bytes; 0 for no limit", |s| Typed::U64(s.about.facts.memory_mib_max << 20)),
    field(68, "PoolAlloc_bytes", GAUGE, "memory that the allocator has of the system, in bytes", |_| Typed::U64(held())),
    field(69, "PoolUsed_bytes", GAUGE, "what of it is in use, in bytes", |_| Typed::U64(used())),
    field(70, "Start_time_sec", AGE, "when the process began to serve, in seconds since 1970", started),
    field(71, "Tainted", Tags(Origin::Status, Nature::Gauge, Scope::Process), "what unsupported things were done, none of which is possible", |_| Typed::text("0")),
];

/// A figure, as others than this command tell it.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) value: Typed,
}

/// Whether there is a figure of this name.
#[cfg(test)]
pub(crate) fn knows(name: &str) -> bool {
    FIELDS.iter().any(|field| field.name == name)
}

/// All figures.
pub(crate) fn figures(about: &About, plane: &Plane) -> Vec<Figure> {
    let source = Source {
        about,
        plane,
        uptime: about.uptime(),
        float: false,
    };
    let figures = FIELDS.iter();
    figures
        .map(|field| Figure {
            name: field.name,
            doc: field.doc,
            value: (field.value)(&source),
        })
        .collect()
}

/// Of pipes: the most, those in use, those that wait.
fn pipes(source: &Source<'_>, place: usize) -> Typed {
    Typed::u32(source.plane.pipes().get(place).copied().unwrap_or(0))
}

fn pace(source: &Source<'_>, place: usize) -> u32 {
    source.plane.paces().get(place).copied().unwrap_or(0)
}

fn peers(source: &Source<'_>, meant: fn(&PeerView) -> bool) -> usize {
    let sections = source.plane.peers();
    let peers = sections.iter().flat_map(|section| &section.peers);
    peers.filter(|peer| meant(peer)).count()
}

fn listeners(source: &Source<'_>) -> Typed {
    Typed::u32(sockets(source))
}

fn sockets(source: &Source<'_>) -> usize {
    let frontends = source.plane.frontends().map(|frontend| frontend.listeners.len());
    frontends.sum::<usize>() + source.about.sockets().len()
}

fn jobs(source: &Source<'_>) -> Typed {
    let connections = source.plane.connections() as usize;
    Typed::u32(connections + sockets(source) + source.about.callers())
}

fn often(source: &Source<'_>, what: Pulse) -> Typed {
    Typed::u32(source.plane.per_second(what))
}

fn most(source: &Source<'_>, what: Pulse) -> Typed {
    Typed::u32(source.plane.per_second_max(what))
}

fn growth(source: &Source<'_>, what: Tallied) -> Typed {
    Typed::U64(source.plane.tallied_per_second(what))
}

fn held() -> u64 {
    heap().map_or(0, |heap| heap.held as u64)
}

fn used() -> u64 {
    heap().map_or(0, |heap| heap.used as u64)
}

fn started(source: &Source<'_>) -> Typed {
    let since = source
        .about
        .started_at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    match source.float {
        true => Typed::Float(since.as_secs_f64()),
        false => Typed::u32(since.as_secs()),
    }
}

/// `1d 2h03m04s`.
fn days(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    format!(
        "{}d {}h{:02}m{:02}s",
        hours / 24,
        hours % 24,
        minutes % 60,
        seconds % 60
    )
}

fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let source = Source {
        about: call.about,
        plane: &plane,
        uptime: call.about.uptime(),
        float: call.has("float"),
    };
    let fields = FIELDS.iter().map(|field| (field, (field.value)(&source)));
    if call.has("json") {
        let fields: Vec<String> = fields
            .map(|(field, value)| {
                format!(
                    "{{\"field\":{{\"pos\":{},\"name\":{}}},\"processNum\":1,{},\"value\":{}}}",
                    field.position,
                    json_text(field.name),
                    field.tags.json(),
                    value.json()
                )
            })
            .collect();
        return Ok(format!("[{}]", fields.join(",")).into());
    }
    let (typed, desc) = (call.has("typed"), call.has("desc"));
    let mut out = String::new();
    for (field, value) in fields {
        let Field {
            position,
            name,
            tags,
            doc,
            ..
        } = field;
        match typed {
            true => out.push_str(&format!("{position}.{name}.1:{tags}:{}:{value}", value.kind())),
            false => out.push_str(&format!("{name}: {value}")),
        }
        if desc {
            out.push_str(&format!(":\"{doc}\""));
        }
        out.push('\n');
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_in_order_and_come_once() {
        let positions: Vec<_> = FIELDS.iter().map(|field| field.position).collect();
        assert!(
            positions.windows(2).all(|pair| pair[0] < pair[1]),
            "{positions:?}"
        );
    }

    #[test]
    fn days_hours_minutes_and_seconds() {
        assert_eq!(days(Duration::from_secs(0)), "0d 0h00m00s");
        assert_eq!(days(Duration::from_secs(86_400 + 2 * 3600 + 184)), "1d 2h03m04s");
    }
}

//! The metrics, in HAProxy's order and under its names, and the figures that they tell.

use tidegate_proxy::Tallied;
use tidegate_proxy::check::status::Status;
use tidegate_sample::stick::Table;

use crate::runtime::stat::fields::{FIELDS, Field, Kind, Object};
use crate::runtime::typed::Typed;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// It only grows.
    Counter,
    Gauge,
}

use Nature::{Counter, Gauge};

/// A metric of the process.
pub(super) struct OfProcess {
    pub(super) name: &'static str,
    pub(super) nature: Nature,
    pub(super) tells: OfProcessTells,
}

/// What a metric of the process tells.
pub(super) enum OfProcessTells {
    /// What `show info` has under this name.
    Figure(&'static str),
    /// The same, which is a text: it is the value of the label `version`.
    Version(&'static str),
    /// What was counted since the start.
    Total(Tallied, &'static str),
}

/// A metric of proxies, listeners or servers.
pub(super) struct OfObjects {
    pub(super) name: &'static str,
    pub(super) nature: Nature,
    /// The letters of those that have it: F, L, B, S.
    kinds: &'static str,
    tells: Tells,
    /// The name in `show stat`.
    column: &'static str,
}

/// How figures become samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    /// As it is.
    Figure,
    /// It has milliseconds.
    Seconds,
    /// A sample for each class of responses.
    Responses,
    /// A sample for each state that there may be: 1 for the one it is in.
    Status,
    /// The same of the last check.
    CheckStatus,
    /// How many of a backend's servers are in each state.
    ServersByStatus,
    /// How many of them had a last check that ended so.
    ServersByCheck,
}

use Tells::{CheckStatus, Figure, Responses, Seconds, ServersByCheck, ServersByStatus};

/// A figure of a stick table.
type OfTable = fn(&Table, u64) -> usize;

const fn process(name: &'static str, nature: Nature, figure: &'static str) -> OfProcess {
    OfProcess {
        name,
        nature,
        tells: OfProcessTells::Figure(figure),
    }
}

const fn objects(
    name: &'static str,
    nature: Nature,
    kinds: &'static str,
    tells: Tells,
    column: &'static str,
) -> OfObjects {
    OfObjects {
        name,
        nature,
        kinds,
        tells,
        column,
    }
}

/// Those of the process.
#[rustfmt::skip]
pub(super) const PROCESS: &[OfProcess] = &[
    process("nbthread", Gauge, "Nbthread"),
    process("nbproc", Gauge, "Nbproc"),
    process("relative_process_id", Gauge, "Process_num"),
    process("uptime_seconds", Gauge, "Uptime_sec"),
    process("pool_failures_total", Counter, "PoolFailed"),
    process("max_fds", Gauge, "Ulimit-n"),
    process("max_sockets", Gauge, "Maxsock"),
    process("max_connections", Gauge, "Maxconn"),
    process("hard_max_connections", Gauge, "Hard_maxconn"),
    process("current_connections", Gauge, "CurrConns"),
    process("connections_total", Counter, "CumConns"),
    process("requests_total", Counter, "CumReq"),
    process("max_ssl_connections", Gauge, "MaxSslConns"),
    process("current_ssl_connections", Gauge, "CurrSslConns"),
    process("ssl_connections_total", Counter, "CumSslConns"),
    process("max_pipes", Gauge, "Maxpipes"),
    process("pipes_used_total", Counter, "PipesUsed"),
    process("pipes_free_total", Counter, "PipesFree"),
    process("current_connection_rate", Gauge, "ConnRate"),
    process("limit_connection_rate", Gauge, "ConnRateLimit"),
    process("max_connection_rate", Gauge, "MaxConnRate"),
    process("current_session_rate", Gauge, "SessRate"),
    process("limit_session_rate", Gauge, "SessRateLimit"),
    process("max_session_rate", Gauge, "MaxSessRate"),
    process("current_ssl_rate", Gauge, "SslRate"),
    process("limit_ssl_rate", Gauge, "SslRateLimit"),
    process("max_ssl_rate", Gauge, "MaxSslRate"),
    process("current_frontend_ssl_key_rate", Gauge, "SslFrontendKeyRate"),
    process("max_frontend_ssl_key_rate", Gauge, "SslFrontendMaxKeyRate"),
    process("frontend_ssl_reuse", Gauge, "SslFrontendSessionReuse_pct"),
    process("current_backend_ssl_key_rate", Gauge, "SslBackendKeyRate"),
    process("max_backend_ssl_key_rate", Gauge, "SslBackendMaxKeyRate"),
    process("ssl_cache_lookups_total", Counter, "SslCacheLookups"),
    process("ssl_cache_misses_total", Counter, "SslCacheMisses"),
    OfProcess { name: "http_comp_bytes_in_total", nature: Counter, tells: OfProcessTells::Total(Tallied::CompressedIn, "bytes of bodies that were compressed") },
    OfProcess { name: "http_comp_bytes_out_total", nature: Counter, tells: OfProcessTells::Total(Tallied::CompressedOut, "bytes that became of them") },
    process("limit_http_comp", Gauge, "CompressBpsRateLim"),
    process("current_tasks", Gauge, "Tasks"),
    process("current_run_queue", Gauge, "Run_queue"),
    process("idle_time_percent", Gauge, "Idle_pct"),
    process("stopping", Gauge, "Stopping"),
    process("jobs", Gauge, "Jobs"),
    process("unstoppable_jobs", Gauge, "Unstoppable Jobs"),
    process("listeners", Gauge, "Listeners"),
    process("active_peers", Gauge, "ActivePeers"),
    process("connected_peers", Gauge, "ConnectedPeers"),
    process("dropped_logs_total", Counter, "DroppedLogs"),
    process("busy_polling_enabled", Gauge, "BusyPolling"),
    process("failed_resolutions", Counter, "FailedResolutions"),
    process("bytes_out_total", Counter, "TotalBytesOut"),
    process("spliced_bytes_out_total", Counter, "TotalSplicdedBytesOut"),
    process("bytes_out_rate", Gauge, "BytesOutRate"),
    process("recv_logs_total", Counter, "CumRecvLogs"),
    OfProcess { name: "build_info", nature: Gauge, tells: OfProcessTells::Version("Version") },
    process("max_memory_bytes", Gauge, "Memmax_bytes"),
    process("pool_allocated_bytes", Gauge, "PoolAlloc_bytes"),
    process("pool_used_bytes", Gauge, "PoolUsed_bytes"),
    process("start_time_seconds", Gauge, "Start_time_sec"),
];

/// Those of the rows of `show stat`.
#[rustfmt::skip]
pub(super) const OBJECTS: &[OfObjects] = &[
    objects("current_queue", Gauge, "BS", Figure, "qcur"),
    objects("max_queue", Gauge, "BS", Figure, "qmax"),
    objects("current_sessions", Gauge, "FLBS", Figure, "scur"),
    objects("max_sessions", Gauge, "FLBS", Figure, "smax"),
    objects("limit_sessions", Gauge, "FLBS", Figure, "slim"),
    objects("sessions_total", Counter, "FLBS", Figure, "stot"),
    objects("bytes_in_total", Counter, "FLBS", Figure, "bin"),
    objects("bytes_out_total", Counter, "FLBS", Figure, "bout"),
    objects("requests_denied_total", Counter, "FLB", Figure, "dreq"),
    objects("responses_denied_total", Counter, "FLBS", Figure, "dresp"),
    objects("request_errors_total", Counter, "FL", Figure, "ereq"),
    objects("connection_errors_total", Counter, "BS", Figure, "econ"),
    objects("response_errors_total", Counter, "BS", Figure, "eresp"),
    objects("retry_warnings_total", Counter, "BS", Figure, "wretr"),
    objects("redispatch_warnings_total", Counter, "BS", Figure, "wredis"),
    objects("status", Gauge, "FLBS", Tells::Status, "status"),
    objects("weight", Gauge, "BS", Figure, "weight"),
    objects("active_servers", Gauge, "B", Figure, "act"),
    objects("backup_servers", Gauge, "B", Figure, "bck"),
    objects("check_failures_total", Counter, "S", Figure, "chkfail"),
    objects("check_up_down_total", Counter, "BS", Figure, "chkdown"),
    objects("check_last_change_seconds", Gauge, "BS", Figure, "lastchg"),
    objects("downtime_seconds_total", Counter, "BS", Figure, "downtime"),
    objects("queue_limit", Gauge, "S", Figure, "qlimit"),
    objects("current_throttle", Gauge, "S", Figure, "throttle"),
    objects("loadbalanced_total", Counter, "BS", Figure, "lbtot"),
    objects("limit_session_rate", Gauge, "F", Figure, "rate_lim"),
    objects("max_session_rate", Gauge, "FBS", Figure, "rate_max"),
    objects("check_status", Gauge, "S", CheckStatus, "check_status"),
    objects("check_code", Gauge, "S", Figure, "check_code"),
    objects("check_duration_seconds", Gauge, "S", Seconds, "check_duration"),
    objects("http_responses_total", Counter, "FBS", Responses, "hrsp_2xx"),
    objects("http_requests_rate_max", Gauge, "F", Figure, "req_rate_max"),
    objects("http_requests_total", Counter, "FB", Figure, "req_tot"),
    objects("client_aborts_total", Counter, "BS", Figure, "cli_abrt"),
    objects("server_aborts_total", Counter, "BS", Figure, "srv_abrt"),
    objects("http_comp_bytes_in_total", Counter, "FB", Figure, "comp_in"),
    objects("http_comp_bytes_out_total", Counter, "FB", Figure, "comp_out"),
    objects("http_comp_bytes_bypassed_total", Counter, "FB", Figure, "comp_byp"),
    objects("http_comp_responses_total", Counter, "FB", Figure, "comp_rsp"),
    objects("last_session_seconds", Gauge, "BS", Figure, "lastsess"),
    objects("queue_time_average_seconds", Gauge, "BS", Seconds, "qtime"),
    objects("connect_time_average_seconds", Gauge, "BS", Seconds, "ctime"),
    objects("response_time_average_seconds", Gauge, "BS", Seconds, "rtime"),
    objects("total_time_average_seconds", Gauge, "BS", Seconds, "ttime"),
    objects("connections_rate_max", Gauge, "F", Figure, "conn_rate_max"),
    objects("connections_total", Counter, "F", Figure, "conn_tot"),
    objects("intercepted_requests_total", Counter, "F", Figure, "intercepted"),
    objects("denied_connections_total", Counter, "FL", Figure, "dcon"),
    objects("denied_sessions_total", Counter, "FL", Figure, "dses"),
    objects("failed_header_rewriting_total", Counter, "FLBS", Figure, "wrew"),
    objects("connection_attempts_total", Counter, "BS", Figure, "connect"),
    objects("connection_reuses_total", Counter, "BS", Figure, "reuse"),
    objects("http_cache_lookups_total", Counter, "FB", Figure, "cache_lookups"),
    objects("http_cache_hits_total", Counter, "FB", Figure, "cache_hits"),
    objects("idle_connections_current", Gauge, "S", Figure, "srv_icur"),
    objects("idle_connections_limit", Gauge, "S", Figure, "src_ilim"),
    objects("max_queue_time_seconds", Gauge, "BS", Seconds, "qtime_max"),
    objects("max_connect_time_seconds", Gauge, "BS", Seconds, "ctime_max"),
    objects("max_response_time_seconds", Gauge, "BS", Seconds, "rtime_max"),
    objects("max_total_time_seconds", Gauge, "BS", Seconds, "ttime_max"),
    objects("internal_errors_total", Counter, "FLBS", Figure, "eint"),
    objects("unsafe_idle_connections_current", Gauge, "S", Figure, "idle_conn_cur"),
    objects("safe_idle_connections_current", Gauge, "S", Figure, "safe_conn_cur"),
    objects("used_connections_current", Gauge, "S", Figure, "used_conn_cur"),
    objects("need_connections_current", Gauge, "S", Figure, "need_conn_est"),
    objects("uweight", Gauge, "BS", Figure, "uweight"),
    objects("agg_server_status", Gauge, "B", ServersByStatus, "agg_server_status"),
    objects("agg_server_check_status", Gauge, "B", ServersByStatus, "agg_server_check_status"),
    objects("agg_check_status", Gauge, "B", ServersByCheck, "agg_check_status"),
];

/// Those of stick tables, each with what it says.
pub(super) const TABLES: [(&str, &str, OfTable); 2] = [
    ("size", "most entries of the table", |table, _| table.spec().size),
    ("used", "entries of the table", |table, now| table.used(now)),
];

/// What a server can be.
const SERVER_STATES: &[&str] = &["DOWN", "UP", "MAINT", "DRAIN", "NOLB"];

/// What a proxy can be.
const PROXY_STATES: &[&str] = &["DOWN", "UP"];

/// What a listener can be.
const LISTENER_STATES: &[&str] = &["WAITING", "OPEN", "FULL"];

/// The columns whose samples are there without a value, too (`NaN`), as in HAProxy: a server may have no limit, no check and no slow start.
const OFTEN_ABSENT: [&str; 7] = [
    "chkfail", "chkdown", "downtime", "qlimit", "slim", "src_ilim", "throttle",
];

/// The classes of responses.
const RESPONSES: [(&str, &str); 6] = [
    ("hrsp_1xx", "1xx"),
    ("hrsp_2xx", "2xx"),
    ("hrsp_3xx", "3xx"),
    ("hrsp_4xx", "4xx"),
    ("hrsp_5xx", "5xx"),
    ("hrsp_other", "other"),
];

/// A column, and the label of its samples.
type Column = (&'static Field, Option<(&'static str, &'static str)>);

/// Gets a label of its own, if a sample has one, and the value.
type Sample<'s> = &'s mut dyn FnMut(Option<(&str, &str)>, &Typed);

impl OfObjects {
    pub(super) fn is_of(&self, kind: Kind) -> bool {
        self.kinds.contains(kind.letter())
    }

    /// What it is, in words.
    pub(super) fn doc(&self) -> &'static str {
        match self.tells {
            Responses => "responses, by their class",
            Tells::Status => "1 for the state that it is in",
            CheckStatus => "1 for how the last check ended",
            ServersByStatus => "servers of the backend, by their state",
            ServersByCheck => "servers of the backend, by how their last check ended",
            Figure | Seconds => column(self.column).map_or("", |field| field.doc),
        }
    }

    /// The columns that its samples are made of, each with the label that tells it from others.
    pub(super) fn columns(&self) -> Vec<Column> {
        let named = |name, label| column(name).map(|field| (field, label));
        match self.tells {
            Figure | Seconds => named(self.column, None).into_iter().collect(),
            Responses => RESPONSES
                .into_iter()
                .filter_map(|(name, class)| named(name, Some(("code", class))))
                .collect(),
            Tells::Status | CheckStatus | ServersByStatus | ServersByCheck => Vec::new(),
        }
    }

    /// Gives the samples of a row, of its [`columns`](Self::columns); `servers` are those of a backend. There are none where it has no such
    /// figure.
    pub(super) fn each(&self, row: &Object, columns: &[Column], servers: &[Object], sample: Sample<'_>) {
        for (field, label) in columns {
            let value = match self.tells {
                Seconds => (field.value)(row).and_then(|value| Some(Typed::Float(value.number()? / 1000.0))),
                _ => (field.value)(row),
            };
            let absent = || {
                OFTEN_ABSENT
                    .contains(&field.name)
                    .then_some(Typed::Float(f64::NAN))
            };
            let value = value.or_else(absent);
            if let Some(value) = value {
                sample(*label, &value);
            }
        }
        let is = |is_so: bool| u32::from(is_so);
        match self.tells {
            Figure | Seconds | Responses => {}
            Tells::Status => by_state(
                states(row.kind).map(|state| (state, is(state_of(row) == state))),
                sample,
            ),
            CheckStatus => {
                if let Some(last) = row.last_check() {
                    by_state(checks().map(|end| (end.code(), is(end == last))), sample);
                }
            }
            // A proxy without servers has nothing to add up.
            ServersByStatus | ServersByCheck if servers.is_empty() => {}
            ServersByStatus => {
                let count = |state| counted(servers, |server| state_of(server) == state);
                by_state(states(Kind::Server).map(|state| (state, count(state))), sample);
            }
            ServersByCheck => {
                let count = |end| counted(servers, |server| server.last_check() == Some(end));
                by_state(checks().map(|end| (end.code(), count(end))), sample);
            }
        }
    }
}

fn by_state(counts: impl Iterator<Item = (&'static str, u32)>, sample: Sample<'_>) {
    for (state, count) in counts {
        sample(Some(("state", state)), &Typed::U32(count));
    }
}

/// How many servers are so.
fn counted(servers: &[Object], is_so: impl Fn(&Object) -> bool) -> u32 {
    u32::try_from(servers.iter().filter(|server| is_so(server)).count()).unwrap_or(u32::MAX)
}

fn states(kind: Kind) -> impl Iterator<Item = &'static str> {
    let states = match kind {
        Kind::Server => SERVER_STATES,
        Kind::Listener => LISTENER_STATES,
        Kind::Frontend | Kind::Backend => PROXY_STATES,
    };
    states.iter().copied()
}

/// One of those.
fn state_of(row: &Object) -> &'static str {
    let begins = |state: &&str| row.status.starts_with(state);
    match row.kind {
        Kind::Frontend if row.status == "STOP" => "DOWN",
        Kind::Frontend => "UP",
        Kind::Listener if row.status == "OPEN" => "OPEN",
        Kind::Listener => "WAITING",
        // A server that nothing checks is up.
        Kind::Backend | Kind::Server => states(Kind::Server).find(begins).unwrap_or("UP"),
    }
}

/// How checks may end.
fn checks() -> impl Iterator<Item = Status> {
    let unasked = |status: &Status| matches!(status, Status::Initial | Status::Unknown);
    Status::ALL.into_iter().filter(move |status| !unasked(status))
}

fn column(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_tells_a_figure_that_there_is() {
        for metric in OBJECTS {
            assert!(column(metric.column).is_some(), "{}", metric.name);
            assert!(
                metric.kinds.chars().all(|kind| "FLBS".contains(kind)),
                "{}",
                metric.name
            );
        }
        for metric in PROCESS {
            if let OfProcessTells::Figure(name) | OfProcessTells::Version(name) = metric.tells {
                assert!(crate::runtime::info::knows(name), "{}", metric.name);
            }
        }
    }

    #[test]
    fn names_come_once() {
        let mut names: Vec<&str> = OBJECTS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), OBJECTS.len());
    }
}

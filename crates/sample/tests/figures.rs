//! Fetches that ask for counters, settings and connections, on a session that makes them up.
#![allow(clippy::unwrap_used, reason = "it is a test")]

use std::any::Any;
use std::cell::RefCell;
use std::time::Duration;
use tidegate_sample::figures::{
    BackendFigures, BackendSettings, Figures, FrontendFigures, HttpStreamFigures, RulePlace, ServerFigures,
    Settings, TcpFigures, Traffic,
};
use tidegate_sample::vars::{self, ProcVars, VarName, VarScope, VarStore};
use tidegate_sample::{Acl, AclSet, Expr, Facts, Named, Place, Proxies, Scope, Session, Side, Value, Way};

#[derive(Default)]
struct Made {
    backend: Option<BackendFigures>,
    error: Option<u8>,
    termination: Option<[u8; 2]>,
    vars: RefCell<VarStore>,
    proc_vars: ProcVars,
    res_vars: RefCell<VarStore>,
}

impl Figures for Made {
    fn frontend(&self, name: &[u8]) -> Option<FrontendFigures> {
        (name == b"f").then_some(FrontendFigures {
            connections: 11,
            sessions_per_second: 12,
            requests_per_second: 13,
        })
    }

    fn backend(&self, name: &[u8]) -> Option<BackendFigures> {
        self.backend.filter(|_| name == b"b")
    }

    fn server(&self, backend: &[u8], name: &[u8]) -> Option<ServerFigures> {
        (backend == b"b" && name == b"s").then_some(ServerFigures {
            connections: 21,
            sessions_per_second: 22,
            queued: 23,
            connections_free: None,
            up: true,
            weight: 24,
            user_weight: 26,
            initial_weight: 25,
        })
    }
}

impl Session for Made {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn figures(&self) -> Option<&dyn Figures> {
        Some(self)
    }
    fn frontend(&self) -> Option<Named> {
        Some(Named {
            name: "f".into(),
            id: 1,
        })
    }
    fn backend(&self) -> Option<Named> {
        self.backend.map(|_| Named {
            name: "b".into(),
            id: 2,
        })
    }
    fn process_connections(&self) -> Option<u64> {
        Some(31)
    }
    fn listener_connections(&self) -> Option<u64> {
        Some(32)
    }
    fn settings(&self) -> Option<Settings> {
        Some(Settings {
            client_timeout: Some(Duration::from_millis(41)),
            tarpit_timeout: Some(Duration::from_millis(42)),
            default_backend: Some("def".into()),
            backend: self.backend.map(|_| BackendSettings {
                connect_timeout: Some(Duration::from_millis(43)),
                queue_timeout: Some(Duration::from_millis(44)),
                server_timeout: Some(Duration::from_millis(45)),
                tarpit_timeout: None,
                tunnel_timeout: Some(Duration::from_secs(46)),
                retries: 47,
            }),
            current_client_timeout: Some(Duration::from_millis(141)),
            current_tarpit_timeout: match self.backend {
                Some(_) => None,
                None => Some(Duration::from_millis(142)),
            },
            current_backend: self.backend.map(|_| BackendSettings {
                connect_timeout: Some(Duration::from_millis(143)),
                queue_timeout: Some(Duration::from_millis(144)),
                server_timeout: Some(Duration::from_millis(145)),
                tarpit_timeout: None,
                tunnel_timeout: Some(Duration::from_secs(146)),
                retries: 147,
            }),
        })
    }
    fn traffic(&self) -> Option<Traffic> {
        Some(Traffic {
            from_client: 51,
            to_server: 52,
            from_server: 53,
            to_client: 54,
        })
    }
    fn kernel(&self, way: Way) -> Option<TcpFigures> {
        let own = TcpFigures {
            rtt_us: 61_999,
            rttvar_us: 62_000,
            unacked: 63,
            sacked: 64,
            lost: 65,
            retrans: 66,
            fackets: 67,
            reordering: 68,
        };
        match way {
            Way::Request => Some(own),
            Way::Response => self.error.map(|_| TcpFigures {
                rtt_us: 71,
                rttvar_us: 72,
                ..own
            }),
        }
    }
    fn connection_error(&self, way: Way) -> Option<u8> {
        match way {
            Way::Request => Some(0),
            Way::Response => self.error,
        }
    }
    fn http_stream(&self, way: Way) -> Option<HttpStreamFigures> {
        let own = HttpStreamFigures {
            major: 2,
            stream_id: 75,
            glitches: 76,
            streams: 77,
            streams_max: 78,
        };
        match way {
            Way::Request => Some(own),
            Way::Response => self.error.map(|_| HttpStreamFigures { stream_id: 79, ..own }),
        }
    }
    fn last_rule(&self) -> Option<RulePlace> {
        Some(RulePlace {
            file: "a.cfg".into(),
            line: 81,
        })
    }
    fn waiting_rule(&self) -> Option<RulePlace> {
        Some(RulePlace {
            file: "b.cfg".into(),
            line: 82,
        })
    }
    fn number(&self) -> Option<u32> {
        Some(91)
    }
    fn facts(&self) -> Facts {
        Facts {
            termination: self.termination,
            server_status: Some(299),
            backend_queue: 92,
            server_queue: 93,
            ..Facts::default()
        }
    }
    fn vars(&self, scope: VarScope) -> Option<&RefCell<VarStore>> {
        match scope {
            VarScope::Txn => Some(&self.vars),
            VarScope::Res => Some(&self.res_vars),
            _ => None,
        }
    }
    fn proc_vars(&self) -> Option<&ProcVars> {
        Some(&self.proc_vars)
    }
}

/// The value in each of several expressions, as text; `-` for none.
fn values(session: &Made, exprs: &str) -> String {
    let value = |expr: &str| match expr.parse::<Expr>().unwrap().eval(session) {
        None => "-".to_owned(),
        Some(Value::Int(int)) => int.to_string(),
        Some(Value::Bool(bool)) => bool.to_string(),
        Some(Value::Str(text)) => text.escape_ascii().to_string(),
        Some(other) => format!("{other:?}"),
    };
    let values: Vec<String> = exprs.split(' ').map(value).collect();
    values.join(" ")
}

fn at_backend(figures: BackendFigures) -> Made {
    Made {
        backend: Some(figures),
        ..Made::default()
    }
}

#[test]
fn counters_are_those_of_the_named_or_the_session_s() {
    let figures = BackendFigures {
        connections: 1,
        sessions_per_second: 2,
        queued: 7,
        usable_servers: 2,
        connections_free: Some(5),
        slots_free: Some(6),
    };
    let session = at_backend(figures);
    let exprs = "act_conn dst_conn fe_conn fe_sess_rate(f) fe_req_rate fe_conn(x) be_conn be_conn(b) be_sess_rate(b) \
                 queue(b) avg_queue(b) nbsrv(b) be_conn_free(b) connslots(b) be_conn(x)";
    assert_eq!(values(&session, exprs), "31 32 11 12 13 - 1 1 2 7 4 2 5 6 -");
    let exprs = "srv_conn(b/s) srv_conn(s) srv_conn_free(s) srv_queue(s) srv_sess_rate(s) srv_is_up(s) srv_weight(s) \
                 srv_uweight(s) srv_iweight(s) srv_conn(b/x) srv_conn(x/s)";
    assert_eq!(values(&session, exprs), "21 21 -1 23 22 true 24 26 25 - -");
    assert_eq!(
        values(&Made::default(), "be_conn srv_conn(s) srv_conn(b/s)"),
        "- - 21"
    );
    let without = at_backend(BackendFigures {
        usable_servers: 0,
        connections_free: None,
        slots_free: None,
        ..figures
    });
    assert_eq!(
        values(&without, "avg_queue nbsrv be_conn_free connslots"),
        "14 0 -1 -1"
    );
}

#[test]
fn converters_ask_for_the_named() {
    let session = at_backend(BackendFigures {
        usable_servers: 2,
        ..BackendFigures::default()
    });
    for (exprs, want) in [
        (
            "str(f),fe_exists str(F),fe_exists str(b),fe_exists str(),fe_exists",
            "true false false false",
        ),
        ("str(b),nbsrv str(x),nbsrv str(f),nbsrv str(),nbsrv", "2 - - -"),
        (
            "str(b/s),srv_queue str(s),srv_queue str(b/x),srv_queue str(x/s),srv_queue",
            "23 23 - -",
        ),
        (
            "str(b/s),srv_is_up str(s),srv_is_up str(/s),srv_is_up str(b/),srv_is_up",
            "true true - -",
        ),
    ] {
        assert_eq!(values(&session, exprs), want, "{exprs}");
    }
    assert_eq!(
        values(&Made::default(), "str(s),srv_queue str(b/s),srv_queue"),
        "- 23"
    );
}

#[test]
fn settings_are_in_milliseconds() {
    let session = at_backend(BackendFigures::default());
    let exprs = "fe_client_timeout cur_client_timeout fe_tarpit_timeout cur_tarpit_timeout fe_defbe";
    assert_eq!(values(&session, exprs), "41 141 42 0 def");
    let exprs = "be_connect_timeout cur_connect_timeout be_queue_timeout cur_queue_timeout be_server_timeout \
                 cur_server_timeout be_tarpit_timeout be_tunnel_timeout cur_tunnel_timeout be_max_retries \
                 cur_max_retries";
    assert_eq!(
        values(&session, exprs),
        "43 143 44 144 45 145 0 46000 146000 47 147"
    );
    assert_eq!(
        values(
            &Made::default(),
            "be_connect_timeout cur_tarpit_timeout be_max_retries"
        ),
        "- 142 -"
    );
}

#[test]
fn connections_are_measured_by_the_kernel() {
    let session = Made::default();
    let exprs =
        "fc_rtt fc_rtt(us) fc_rttvar(ms) fc_unacked fc_sacked fc_lost fc_retrans fc_fackets fc_reordering";
    assert_eq!(values(&session, exprs), "61 61999 62 63 64 65 66 67 68");
    assert_eq!(values(&session, "bc_rtt(us) bc_rttvar(us)"), "- -");
    let connected = Made {
        error: Some(0),
        ..Made::default()
    };
    assert_eq!(values(&connected, "bc_rtt(us) bc_rttvar(us)"), "71 72");
    for wrong in ["fc_rtt(s)", "fc_rtt()", "fc_lost(us)", "fc_rtt(us,ms)"] {
        assert!(wrong.parse::<Expr>().is_err(), "{wrong}");
    }
}

#[test]
fn what_went_wrong_has_a_number_a_name_and_a_text() {
    let session = Made::default();
    assert_eq!(values(&session, "fc_err fc_err_name fc_err_str"), "0  Success");
    assert_eq!(
        values(
            &session,
            "bc_err bc_err_name bc_err_str bc_http_major bc_nb_streams"
        ),
        "- - - - -"
    );
    let refused = Made {
        error: Some(46),
        ..Made::default()
    };
    let exprs = "bc_err bc_err_name bc_err_str bc_http_major bc_nb_streams bc_settings_streams_limit";
    assert_eq!(
        values(&refused, exprs),
        "46 EREFUSED ECONNREFUSED returned by OS 2 77 78"
    );
    assert_eq!(
        values(&refused, "bs.id bc_glitches fs.id fc_glitches"),
        "79 76 75 76"
    );
    let exprs =
        "fc_nb_streams fc_settings_streams_limit fc_rcvd_proxy bc_be_queue bc_srv_queue server_status";
    assert_eq!(values(&session, exprs), "77 78 false 92 93 299");
}

#[test]
fn who_broke_off() {
    let after = |termination: &[u8; 2]| {
        let session = Made {
            termination: Some(*termination),
            ..Made::default()
        };
        values(&session, "fs.aborted bs.aborted fs.rst_code bs.rst_code")
    };
    assert_eq!(after(b"CD"), "true false - -");
    assert_eq!(after(b"CR"), "true false - -");
    assert_eq!(after(b"SH"), "false true - -");
    assert_eq!(after(b"SC"), "false false - -");
    assert_eq!(after(b"--"), "false false - -");
}

#[test]
fn the_rest_of_a_session() {
    let session = Made::default();
    assert_eq!(values(&session, "bytes_in bytes_out"), "51 53");
    assert_eq!(
        values(&session, "req.bytes_in req.bytes_out res.bytes_in res.bytes_out"),
        "51 52 53 54"
    );
    let exprs = "last_rule_file last_rule_line last_entity waiting_entity txn.id32 tgroup quic_enabled";
    assert_eq!(values(&session, exprs), "a.cfg 81 a.cfg:81 b.cfg:82 91 0 false");
    // Before a backend was chosen, the frontend is where the session is.
    assert_eq!(values(&session, "be_name be_id"), "f 1");
    assert_eq!(
        values(&at_backend(BackendFigures::default()), "be_name be_id"),
        "b 2"
    );
}

#[test]
fn all_variables_as_text() {
    let session = Made::default();
    let set = |name: &str, value: Value| vars::set(&session, &VarName::parse(name).unwrap(), value);
    set("txn.name", Value::str("John \"D\"\r\n\\"));
    set("txn.count", Value::Int(42));
    set("txn.data", Value::bin("Hello"));
    set("res.on", Value::Bool(true));
    set("proc.a", Value::from(std::net::IpAddr::from([10, 0, 0, 1])));
    set("proc.b", Value::Method(http::Method::GET));
    let dump = |expr: &str| match expr.parse::<Expr>().unwrap().eval(&session) {
        Some(Value::Str(text)) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic_free(other),
    };
    assert_eq!(
        dump("dump_all_vars"),
        r#"txn.count=42, txn.data=x48656c6c6f, txn.name="John \"D\"\r\n\\", res.on=true, proc.a=10.0.0.1, proc.b="GET""#
    );
    assert_eq!(dump("dump_all_vars(txn,count)"), "txn.count=42");
    assert_eq!(
        dump("dump_all_vars(proc,,';')"),
        r#"proc.a=10.0.0.1;proc.b="GET""#
    );
    assert_eq!(dump("dump_all_vars(sess)"), "");
    assert!("dump_all_vars(check)".parse::<Expr>().is_err());
    set("txn.long", Value::str("x".repeat(17_000)));
    assert_eq!(dump("dump_all_vars(txn)"), "nothing");
}

fn panic_free(value: Option<Value>) -> String {
    assert_eq!(value, None);
    "nothing".to_owned()
}

/// A configuration with a frontend `www`, a backend `app` with two servers, and a `listen` section `both`.
struct Config(&'static str);

impl Proxies for Config {
    fn current(&self) -> Option<&str> {
        Some(self.0)
    }
    fn names(&self, side: Side) -> Vec<&str> {
        match side {
            Side::Frontend => vec!["www", "both"],
            Side::Backend => vec!["app", "both"],
        }
    }
    fn servers(&self, backend: &str) -> Vec<String> {
        match backend {
            "app" => vec!["s1".to_owned(), "s2".to_owned()],
            _ => vec!["only".to_owned()],
        }
    }
}

#[test]
fn proxies_and_servers_must_be_there() {
    for (current, text, want) in [
        ("www", "fe_conn", ""),
        ("www", "fe_conn()", ""),
        ("www", "be_conn(app)", ""),
        ("both", "be_conn", ""),
        ("both", "srv_conn(only)", ""),
        ("www", "srv_conn(app/s2)", ""),
        (
            "www",
            "be_conn",
            "`be_conn` takes a backend, and `www` is none; name one: `be_conn(backend)`",
        ),
        (
            "app",
            "fe_conn",
            "`fe_conn` takes a frontend, and `app` is none; name one: `fe_conn(frontend)`",
        ),
        (
            "www",
            "be_conn(ap)",
            "there is no backend `ap`; did you mean `app`?",
        ),
        ("www", "be_conn(www)", "there is no backend `www`"),
        (
            "www",
            "fe_conn(ww)",
            "there is no frontend `ww`; did you mean `www`?",
        ),
        (
            "www",
            "srv_conn",
            "`srv_conn` misses the name of a server; its argument is `srv_conn([backend/]server)`",
        ),
        (
            "www",
            "srv_conn(s1)",
            "`www` has no servers; name the backend too: `srv_conn(backend/s1)`",
        ),
        (
            "app",
            "srv_conn(s3)",
            "backend `app` has no server `s3`; did you mean `s1`?",
        ),
        (
            "app",
            "srv_conn(apq/s1)",
            "there is no backend `apq`; did you mean `app`?",
        ),
        (
            "app",
            "nbsrv(app,app)",
            "`nbsrv` takes 1 argument at most; its arguments are `nbsrv(backend)`",
        ),
    ] {
        let config = Config(current);
        let scope = Scope::new(Place::Log).with_proxies(&config);
        let error = Expr::parse(text, &scope).map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(error, want, "{text} in {current}");
    }
}

#[test]
fn acls_are_asked_inside_expressions() {
    let scope = Scope::anywhere();
    let mut acls = AclSet::default();
    acls.declare(&["busy", "fe_conn", "gt", "10"], &scope).unwrap();
    acls.declare(&["calm", "acl(!busy)"], &scope).unwrap();
    acls.declare(&["late", "status", "200"], &scope).unwrap();
    let session = Made::default();
    let eval = |text: &str| {
        let scope = Scope::new(Place::FrontendHttpRequest).with_acls(&acls);
        Expr::parse(text, &scope)
            .map(|expr| expr.eval(&session))
            .map_err(|error| error.to_string())
    };
    for (text, want) in [
        ("acl(busy)", true),
        ("acl(!busy)", false),
        ("acl(!!busy)", true),
        ("acl(calm)", false),
        ("acl(busy,!calm,TRUE)", true),
        ("acl(busy,calm)", false),
        ("acl(busy),not", false),
    ] {
        assert_eq!(eval(text), Ok(Some(Value::Bool(want))), "{text}");
    }
    assert_eq!(
        eval("acl(bussy)").unwrap_err(),
        "there is no ACL `bussy` here; did you mean `busy`?"
    );
    assert!(
        eval("acl(busy,late)")
            .unwrap_err()
            .starts_with("`acl(busy,late)` cannot be used in")
    );
    assert!(eval("acl").is_err() && eval("acl()").is_err());
    assert!(eval(&format!("acl({})", ["busy"; 13].join(","))).is_err());
    // In an `acl` line those before it are known, so that none can ask itself.
    assert!(acls.clone().declare(&["own", "acl(own)"], &scope).is_err());
    let (acl, _) = Acl::parse(&["acl(busy)"], &scope.with_acls(&acls)).unwrap();
    assert_eq!(acl.test(&session), tidegate_sample::Verdict::Pass);
}

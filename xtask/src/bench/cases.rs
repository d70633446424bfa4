//! The cases of the bench: which files make each, what a right answer holds, and what it is measured against.

/// What the floor does in a case: the least that any server would have to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Reads the request and writes a fixed answer.
    Return,
    /// Passes the bytes on to the origin and back.
    Relay,
}

/// One thing to measure. The files are in xtask/bench/.
pub(crate) struct Case {
    /// Its name on the command line, and that of its nginx .conf.
    pub(crate) name: &'static str,
    /// What it is, for the table.
    pub(crate) title: &'static str,
    /// The rest of the configuration that Tidegate and HAProxy run, after common.cfg.
    pub(crate) configuration: &'static str,
    /// The script that it loads.
    pub(crate) script: Option<&'static str>,
    /// What the body of a right answer holds, in lower case. The origin of the check answers with the request's own head.
    pub(crate) answer: &'static str,
    pub(crate) floor: Floor,
    /// The most connections the load may keep open, where a server measured cannot do with more.
    pub(crate) connections_max: u32,
    pub(crate) targets: Targets,
    pub(crate) way: Way,
}

impl Case {
    /// What nginx's file is called.
    pub(crate) fn nginx(&self) -> &str {
        match self.script {
            None => self.configuration.trim_end_matches(".cfg"),
            Some(_) => self.name,
        }
    }

    /// Whether the floor has anything to do with it: it speaks neither TLS nor HTTP/2, keeps nothing, and never ends a connection.
    pub(crate) fn has_floor(&self) -> bool {
        let Way {
            over,
            alone,
            body_bytes,
            cached,
            ..
        } = self.way;
        over == Over::Http1 && !alone && !cached && body_bytes.is_none()
    }
}

/// What requests come over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Http1,
    /// HTTP/1 over TLS.
    Tls,
    /// TLS by clients that resume their sessions, each request on a connection of its own.
    ResumedTls,
    /// HTTP/2 that both sides know of before.
    Http2,
}

impl Over {
    /// Whether there is TLS below.
    pub(crate) fn is_secure(self) -> bool {
        matches!(self, Over::Tls | Over::ResumedTls)
    }
}

/// In what way the requests of a case come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) over: Over,
    /// Each on a connection of its own.
    pub(crate) alone: bool,
    /// The origin's answers have bodies of so many bytes; none for the usual short one.
    pub(crate) body_bytes: Option<usize>,
    /// They are answered out of a cache.
    pub(crate) cached: bool,
    /// nginx has nothing like it.
    pub(crate) without_nginx: bool,
}

/// One after the other on connections that are kept.
const KEPT: Way = Way {
    over: Over::Http1,
    alone: false,
    body_bytes: None,
    cached: false,
    without_nginx: false,
};

/// The most CPU time per request that we allow ourselves, as ratios to that of the others.
#[derive(Default)]
pub(crate) struct Targets {
    pub(crate) haproxy: f64,
    pub(crate) nginx: Option<f64>,
    pub(crate) floor: Option<f64>,
}

/// A case that suspends or touches the request.
const LUA: Targets = Targets {
    haproxy: 0.5,
    nginx: Some(1.0),
    floor: None,
};

/// A case of the data plane alone.
const DATA_PLANE: Targets = Targets {
    haproxy: 0.8,
    nginx: None,
    floor: None,
};

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "return",
        title: "plain return",
        configuration: "return.cfg",
        script: None,
        answer: "hello world",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: Targets {
            haproxy: 0.7,
            nginx: Some(1.0),
            floor: Some(1.25),
        },
        way: KEPT,
    },
    Case {
        name: "proxy",
        title: "plain proxied request",
        configuration: "proxy.cfg",
        script: None,
        answer: "get /x http/1.1",
        floor: Floor::Relay,
        connections_max: u32::MAX,
        targets: Targets {
            haproxy: 0.7,
            nginx: Some(1.0),
            floor: Some(1.35),
        },
        way: KEPT,
    },
    Case {
        name: "service",
        title: "Lua service",
        configuration: "service.cfg",
        script: Some("service.lua"),
        answer: "hello get /x\n",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: LUA,
        way: KEPT,
    },
    Case {
        name: "action",
        title: "Lua action on a proxied request",
        configuration: "action.cfg",
        script: Some("action.lua"),
        answer: "x-mark: <127.0.0.1>",
        floor: Floor::Relay,
        connections_max: u32::MAX,
        targets: LUA,
        way: KEPT,
    },
    Case {
        name: "yields",
        title: "ten yields",
        configuration: "service.cfg",
        script: Some("yields.lua"),
        answer: "yielded 10 times\n",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: LUA,
        way: KEPT,
    },
    Case {
        name: "sleep",
        title: "1 ms sleep",
        configuration: "service.cfg",
        script: Some("sleep.lua"),
        answer: "slept\n",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: LUA,
        way: KEPT,
    },
    Case {
        name: "library",
        title: "library calls (format, concat, gmatch)",
        configuration: "service.cfg",
        script: Some("library.lua"),
        answer: "400 letters\n",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: Targets {
            haproxy: 0.95,
            nginx: None,
            floor: None,
        },
        way: KEPT,
    },
    Case {
        name: "pure",
        title: "pure Lua (recursive fib)",
        configuration: "service.cfg",
        script: Some("pure.lua"),
        answer: "fib is 6765\n",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: Targets {
            haproxy: 0.5,
            nginx: None,
            floor: None,
        },
        way: KEPT,
    },
    Case {
        name: "fetch",
        title: "Lua fetch and converter in a header",
        configuration: "fetch.cfg",
        script: Some("fetch.lua"),
        answer: "x-mark: <127.0.0.1>",
        floor: Floor::Relay,
        connections_max: u32::MAX,
        targets: LUA,
        way: KEPT,
    },
    Case {
        name: "subrequest",
        title: "subrequest over a Lua socket (8 connections)",
        configuration: "service.cfg",
        script: Some("subrequest.lua"),
        answer: "origin says get /part http/1.1",
        floor: Floor::Relay,
        // With 64, HAProxy 2.6 on a busy core gets behind closing its Lua sockets and runs out of descriptors.
        connections_max: 8,
        targets: LUA,
        way: KEPT,
    },
    Case {
        name: "large",
        title: "proxied body of 1 MiB",
        configuration: "proxy.cfg",
        script: None,
        answer: "get /x http/1.1",
        floor: Floor::Relay,
        connections_max: 16,
        targets: DATA_PLANE,
        way: Way {
            body_bytes: Some(1024 * 1024),
            ..KEPT
        },
    },
    Case {
        name: "track",
        title: "three stick counters on each request",
        configuration: "track.cfg",
        script: None,
        answer: "hello world",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: DATA_PLANE,
        way: Way {
            without_nginx: true,
            ..KEPT
        },
    },
    Case {
        name: "log",
        title: "a line of log for each request",
        configuration: "log.cfg",
        script: None,
        answer: "hello world",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: DATA_PLANE,
        way: Way {
            without_nginx: true,
            ..KEPT
        },
    },
    Case {
        name: "tls",
        title: "plain return over TLS",
        configuration: "return.cfg",
        script: None,
        answer: "hello world",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: DATA_PLANE,
        way: Way {
            over: Over::Tls,
            ..KEPT
        },
    },
    Case {
        name: "connect",
        title: "a connection for each request",
        configuration: "return.cfg",
        script: None,
        answer: "hello world",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: DATA_PLANE,
        way: Way { alone: true, ..KEPT },
    },
    Case {
        name: "connect-tls",
        title: "a connection over TLS for each request",
        configuration: "return.cfg",
        script: None,
        answer: "hello world",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: DATA_PLANE,
        way: Way {
            over: Over::Tls,
            alone: true,
            ..KEPT
        },
    },
    Case {
        name: "large-tls",
        title: "proxied body of 1 MiB over TLS",
        configuration: "proxy.cfg",
        script: None,
        answer: "get /x http/1.1",
        floor: Floor::Relay,
        connections_max: 16,
        targets: DATA_PLANE,
        way: Way {
            over: Over::Tls,
            body_bytes: Some(1024 * 1024),
            ..KEPT
        },
    },
    Case {
        name: "connect-resumed",
        title: "a connection over TLS for each request, resumed",
        configuration: "return.cfg",
        script: None,
        answer: "hello world",
        floor: Floor::Return,
        connections_max: 1,
        targets: DATA_PLANE,
        way: Way {
            over: Over::ResumedTls,
            alone: true,
            ..KEPT
        },
    },
    Case {
        name: "http2",
        title: "plain return over HTTP/2",
        configuration: "return.cfg",
        script: None,
        answer: "hello world",
        floor: Floor::Return,
        connections_max: 16,
        targets: DATA_PLANE,
        way: Way {
            over: Over::Http2,
            ..KEPT
        },
    },
    Case {
        name: "http2-proxy",
        title: "proxied request over HTTP/2 (to a server of HTTP/1)",
        configuration: "proxy.cfg",
        script: None,
        answer: "get /x http/1.1",
        floor: Floor::Relay,
        connections_max: 16,
        targets: DATA_PLANE,
        way: Way {
            over: Over::Http2,
            ..KEPT
        },
    },
    Case {
        name: "cache",
        title: "answer out of a cache",
        configuration: "cache.cfg",
        script: None,
        answer: "get /x http/1.1",
        floor: Floor::Return,
        connections_max: u32::MAX,
        targets: DATA_PLANE,
        way: Way { cached: true, ..KEPT },
    },
];

/// What is asked for while scripts loop for ever, which has a measure of its own.
pub(crate) const BESIDE: Case = Case {
    name: "beside",
    title: "others while scripts loop for ever",
    configuration: "beside.cfg",
    script: Some("beside.lua"),
    answer: "hello world",
    floor: Floor::Return,
    connections_max: 32,
    targets: Targets {
        haproxy: f64::INFINITY,
        nginx: None,
        floor: None,
    },
    way: KEPT,
};

/// What connections ask once that are idle then.
const IDLE: Case = Case {
    name: "idle",
    title: "idle connections",
    configuration: "return.cfg",
    script: None,
    answer: "hello world",
    floor: Floor::Return,
    connections_max: u32::MAX,
    targets: Targets {
        haproxy: 1.0,
        nginx: None,
        floor: None,
    },
    way: KEPT,
};

/// Idle connections, with TLS and without, and of HTTP/2. They have a measure of their own: memory.
pub(crate) const IDLES: &[Case] = &[
    IDLE,
    Case {
        name: "idle-tls",
        title: "idle connections over TLS",
        way: Way {
            over: Over::Tls,
            ..KEPT
        },
        ..IDLE
    },
    Case {
        name: "idle-http2",
        title: "idle connections of HTTP/2",
        way: Way {
            over: Over::Http2,
            ..KEPT
        },
        ..IDLE
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_its_files() {
        let files = crate::root().join("xtask/bench");
        for case in CASES {
            let nginx = (!case.way.without_nginx).then(|| format!("{}.conf", case.nginx()));
            for file in [Some(case.configuration), case.script, nginx.as_deref()]
                .into_iter()
                .flatten()
            {
                assert!(files.join(file).is_file(), "{file} of {}", case.name);
            }
        }
    }
}

//! Log lines: where they go, and what is in them.

use std::collections::HashMap;
use std::net::ToSocketAddrs;
use std::sync::Arc;

use http::HeaderName;
use tidegate_config::model::{self, LogHost, LogSink};
use tidegate_config::{Diagnostic, Diagnostics, Span, code};
use tidegate_proxy::log::{
    Level, LogBackend, LogProfile, LogSpec, LogStep, LogSteps, LogTarget, LogTo, LogWrap, Ring, RingSpec,
    Sampling, StepFormat,
};
use tidegate_proxy::spec::{CaptureSlot, CaptureSpec, CookieCapture, ServerAddress, ServerSpec, Text};

use crate::system;

/// Bytes of the ring before a target over a stream.
const STREAM_RING_BYTES: u64 = 1 << 20;

/// What `log` lines name, each made once.
#[derive(Default)]
pub(super) struct Logs {
    rings: HashMap<String, (Arc<Ring>, Option<model::LogFormatKind>)>,
    /// Rings of targets over streams, by the place of the line.
    streams: Vec<(Span, Arc<Ring>)>,
    /// Rings before servers of backends.
    of_servers: Vec<Arc<Ring>>,
    backends: HashMap<String, Arc<LogBackend>>,
    profiles: HashMap<String, Arc<LogProfile>>,
    samplings: Vec<(Span, Arc<Sampling>)>,
    host: Option<String>,
    tag: Option<String>,
    uri_bytes_max: usize,
    faults: Diagnostics,
}

impl Logs {
    /// Makes profiles of the sections.
    pub(super) fn of(config: &mut model::Config) -> Logs {
        let mut logs = Logs {
            host: config.global.log_host.as_ref().map(|host| match host {
                LogHost::System => system::host_name(),
                LogHost::Name(name) => name.clone(),
            }),
            tag: Some(config.global.log_tag.clone().unwrap_or_else(system::program_name)),
            uri_bytes_max: usize::try_from(config.global.tune.log_uri_bytes).unwrap_or(usize::MAX) - 1,
            ..Logs::default()
        };
        for profile in std::mem::take(&mut config.log_profiles) {
            let name = profile.name.value.clone();
            logs.profiles.insert(name, Arc::new(log_profile(profile)));
        }
        logs
    }

    /// All rings, those of streams too.
    pub(super) fn all_rings(&self) -> Vec<Arc<Ring>> {
        let named = self.rings.values().map(|(ring, _)| ring.clone());
        let mut rings: Vec<Arc<Ring>> = named.collect();
        rings.sort_by(|a, b| a.spec().name.cmp(&b.spec().name));
        rings.extend(self.streams.iter().map(|(_, ring)| ring.clone()));
        rings.extend(self.of_servers.iter().cloned());
        rings
    }

    /// There is a ring of this name, whose lines have this form.
    pub(super) fn add_ring(&mut self, ring: Arc<Ring>, format: Option<model::LogFormatKind>) {
        self.rings.insert(ring.spec().name.clone(), (ring, format));
    }

    /// There is a backend of this name for log lines, with these rings before its servers.
    pub(super) fn add_backend(&mut self, name: String, backend: Arc<LogBackend>, rings: Vec<Arc<Ring>>) {
        self.of_servers.extend(rings);
        self.backends.insert(name, backend);
    }

    /// The backend of this name, if it is one for log lines.
    pub(super) fn backend(&self, name: &str) -> Option<Arc<LogBackend>> {
        self.backends.get(name).cloned()
    }

    /// What couldn't be had.
    pub(super) fn faults(&mut self) -> Diagnostics {
        std::mem::take(&mut self.faults)
    }

    /// The profile of this name.
    pub(super) fn profile(&self, name: &str) -> Option<Arc<LogProfile>> {
        self.profiles.get(name).cloned()
    }

    /// `log-tag` of the `global` section.
    pub(super) fn tag(&self) -> Option<String> {
        self.tag.clone()
    }

    /// The host's name, where headers tell it.
    pub(super) fn host(&self) -> Option<String> {
        self.host.clone()
    }

    /// What a proxy logs. Of a `listen` section, the frontend takes what lines hold.
    pub(super) fn spec(&mut self, log: &mut model::LogSettings) -> LogSpec {
        let steps = log.steps.iter().map(|step| match step {
            model::LogStep::Accept => LogStep::Accept,
            model::LogStep::Request => LogStep::Request,
            model::LogStep::Connect => LogStep::Connect,
            model::LogStep::Response => LogStep::Response,
            model::LogStep::Close => LogStep::Close,
        });
        LogSpec {
            targets: self.targets(&log.targets),
            line: log.format.take().map(Text::from),
            error_line: log.error_format.take().map(Text::from),
            structured: log.structured.take().map(Text::from),
            tag: log.tag.clone().or_else(|| self.tag.clone()),
            host: self.host.clone(),
            steps: steps.fold(LogSteps::default(), LogSteps::with),
            as_soon_as_possible: log.as_soon_as_possible,
            uri_bytes_max: self.uri_bytes_max,
            dont_log_null: log.skip_empty,
            dont_log_normal: log.skip_normal,
            separate_errors: log.separate_errors,
        }
    }

    /// The targets of `log` lines.
    pub(super) fn targets(&mut self, lines: &[model::LogTarget]) -> Vec<LogTarget> {
        lines.iter().filter_map(|line| self.target(line)).collect()
    }

    /// Whether a target says what form its lines have, if the line that names it doesn't.
    pub(super) fn has_format(&self, sink: &LogSink) -> bool {
        match sink {
            LogSink::Ring(name) => self
                .rings
                .get(&name.value)
                .is_some_and(|(_, format)| format.is_some()),
            _ => false,
        }
    }

    /// The target of a `log` line.
    pub(super) fn target(&mut self, line: &model::LogTarget) -> Option<LogTarget> {
        let mut format = line.format;
        let to = match &line.sink {
            LogSink::Stdout => LogTo::Stdout,
            LogSink::Stderr => LogTo::Stderr,
            LogSink::Fd(number) => match system::inherited(*number) {
                Ok(fd) => LogTo::Fd(fd),
                Err(why) => {
                    self.faults
                        .push(Diagnostic::error(code::BAD_ADDRESS, line.span, why));
                    return None;
                }
            },
            LogSink::Udp(address) => LogTo::Udp(*address),
            LogSink::UdpName { host, v6, port } => match system::address_of(host, *v6) {
                Ok(ip) => LogTo::Udp((ip, *port).into()),
                Err(why) => {
                    let message = format!("cannot resolve `{host}`: {why}");
                    self.faults
                        .push(Diagnostic::error(code::BAD_ADDRESS, line.span, message));
                    return None;
                }
            },
            LogSink::Unix(path) => LogTo::Unix(path.clone()),
            LogSink::Abstract(name) => LogTo::Abstract(name.clone()),
            // Names were checked.
            LogSink::Ring(name) => {
                let (ring, of_ring) = self.rings.get(&name.value)?;
                if let (model::LogFormatKind::Default, Some(of_ring)) = (format, of_ring) {
                    format = *of_ring;
                }
                LogTo::Ring(ring.clone())
            }
            LogSink::Backend(name) => LogTo::Backend(self.backend(&name.value)?),
            LogSink::Stream(address) => LogTo::Ring(self.stream(address, line.span)?),
        };
        let mut target = LogTarget::new(to).wrapped(match format {
            model::LogFormatKind::Default if self.host.is_some() => LogWrap::Rfc3164,
            model::LogFormatKind::Default | model::LogFormatKind::Local => LogWrap::Local,
            model::LogFormatKind::Rfc3164 => LogWrap::Rfc3164,
            model::LogFormatKind::Rfc5424 => LogWrap::Rfc5424,
            model::LogFormatKind::Priority => LogWrap::Priority,
            model::LogFormatKind::Short => LogWrap::Short,
            model::LogFormatKind::Timed => LogWrap::Timed,
            model::LogFormatKind::Iso => LogWrap::Iso,
            model::LogFormatKind::Raw => LogWrap::Raw,
        });
        target.facility = line.facility.0;
        target.max_level = level(line.level);
        target.min_level = level(line.level_min);
        target.length_max = usize::try_from(line.line_bytes_max).unwrap_or(usize::MAX);
        target.sampling = line
            .sample
            .as_ref()
            .map(|sample| self.sampling(sample, line.span));
        target.profile = line.profile.as_ref().and_then(|name| self.profile(&name.value));
        Some(target)
    }

    /// All that use one `log` line count its messages together.
    fn sampling(&mut self, sample: &model::LogSample, line: Span) -> Arc<Sampling> {
        if let Some((_, known)) = self.samplings.iter().find(|(span, _)| *span == line) {
            return known.clone();
        }
        let ranges = sample.ranges.iter();
        let ranges = ranges.map(|(first, last)| ((*first).into(), (*last).into()));
        let sampling = Arc::new(Sampling::new(ranges.collect(), sample.size.into()));
        self.samplings.push((line, sampling.clone()));
        sampling
    }

    /// The ring before a target over a stream.
    fn stream(&mut self, address: &model::ServerAddress, line: Span) -> Option<Arc<Ring>> {
        if let Some((_, known)) = self.streams.iter().find(|(span, _)| *span == line) {
            return Some(known.clone());
        }
        let server = ServerSpec::new("log", self.address(address, line)?);
        let ring = Ring::new(RingSpec {
            name: format!("log-{}", self.streams.len() + 1),
            description: None,
            line_bytes_max: usize::MAX,
            bytes_max: usize::try_from(STREAM_RING_BYTES).unwrap_or(usize::MAX),
            connect: None,
            server: None,
            servers: vec![(server, false)],
        });
        self.streams.push((line, ring.clone()));
        Some(ring)
    }

    /// The address of who gets lines; `None` for a fault.
    pub(super) fn address(&mut self, address: &model::ServerAddress, span: Span) -> Option<ServerAddress> {
        let fixed = match address {
            model::ServerAddress::Tcp { port, .. } | model::ServerAddress::Name { port, .. } => match port {
                model::ServerPort::Fixed(port) => *port,
                // No client's port could take its place.
                model::ServerPort::Mapped(_) => {
                    self.faults
                        .push(Diagnostic::error(code::BAD_ADDRESS, span, "there is no port"));
                    return None;
                }
            },
            model::ServerAddress::Unix(_) | model::ServerAddress::Abstract(_) => 0,
        };
        Some(match address {
            model::ServerAddress::Tcp { ip, .. } => ServerAddress::Tcp((*ip, fixed).into()),
            model::ServerAddress::Unix(path) => ServerAddress::Unix(path.clone()),
            model::ServerAddress::Abstract(name) => ServerAddress::Abstract(name.clone()),
            model::ServerAddress::Name { host, .. } => {
                let found = (host.as_str(), fixed).to_socket_addrs();
                match found.map(|mut all| all.next()) {
                    Ok(Some(address)) => ServerAddress::Tcp(address),
                    Ok(None) | Err(_) => {
                        let message = format!("cannot resolve `{host}`");
                        self.faults
                            .push(Diagnostic::error(code::BAD_ADDRESS, span, message));
                        return None;
                    }
                }
            }
        })
    }
}

fn log_profile(profile: model::LogProfile) -> LogProfile {
    let steps = profile.steps.into_iter().map(|on| {
        let format = StepFormat {
            drop: on.drop,
            line: on.format.map(Text::from),
            structured: on.structured.map(Text::from),
        };
        (on.step.to_owned(), format)
    });
    LogProfile {
        tag: profile.tag,
        steps: steps.collect(),
    }
}

/// What a frontend captures.
pub(super) fn captures(settings: model::CaptureSettings) -> CaptureSpec {
    let bytes = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
    let slots = |slots: Vec<model::CaptureSlot>| {
        let slot = |slot: model::CaptureSlot| CaptureSlot {
            // Names of headers were checked.
            header: slot
                .header
                .and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok()),
            length_max: bytes(slot.bytes_max),
        };
        slots.into_iter().map(slot).collect()
    };
    CaptureSpec {
        request: slots(settings.request),
        response: slots(settings.response),
        cookie: settings.cookie.map(|cookie| CookieCapture {
            prefix: cookie.prefix,
            length_max: bytes(cookie.bytes_max),
        }),
    }
}

/// The same level.
pub(super) fn level(level: model::LogLevel) -> Level {
    match level {
        model::LogLevel::Emerg => Level::Emergency,
        model::LogLevel::Alert => Level::Alert,
        model::LogLevel::Crit => Level::Critical,
        model::LogLevel::Err => Level::Error,
        model::LogLevel::Warning => Level::Warning,
        model::LogLevel::Notice => Level::Notice,
        model::LogLevel::Info => Level::Info,
        model::LogLevel::Debug => Level::Debug,
    }
}

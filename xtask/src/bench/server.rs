//! The servers compared: what each needs, and how each is told to run a case.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::cases::{Case, Floor, Over};
use crate::process::{Process, free_address};
use crate::{Result, certificate};

/// Where Debian's nginx has its modules.
const NGINX_MODULES: &str = "/usr/lib/nginx/modules";

/// One of the servers compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Server {
    Tidegate,
    Haproxy,
    Nginx,
    Floor,
}

impl Server {
    pub(crate) const ALL: [Self; 4] = [Self::Tidegate, Self::Haproxy, Self::Nginx, Self::Floor];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tidegate => "tidegate",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Floor => "floor",
        }
    }

    /// The Debian packages that this server needs and that are not there; `lua` if it is to run scripts.
    pub(crate) fn missing(self, lua: bool) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if self == Self::Haproxy && !runs("haproxy") {
            missing.push("haproxy");
        }
        if self == Self::Nginx {
            if !runs("nginx") {
                missing.push("nginx");
            }
            if lua && !Path::new(NGINX_MODULES).join("ngx_http_lua_module.so").exists() {
                missing.push("libnginx-mod-http-lua");
            }
        }
        missing
    }

    /// What it says of its version.
    pub(crate) fn version(self, tidegate: &Path) -> Option<String> {
        let program = match self {
            Self::Tidegate => tidegate,
            Self::Haproxy => Path::new("haproxy"),
            Self::Nginx => Path::new("nginx"),
            Self::Floor => return None,
        };
        let output = Command::new(program).arg("-v").output().ok()?;
        // nginx tells its version on the other stream.
        let text = [output.stdout, output.stderr].concat();
        Some(String::from_utf8_lossy(&text).lines().next()?.trim().to_owned())
    }
}

/// Whether a program can be started by its name.
pub(crate) fn runs(program: &str) -> bool {
    Command::new(program).arg("-v").output().is_ok()
}

/// What the servers of a case have in common.
pub(crate) struct Site<'a> {
    pub(crate) case: &'a Case,
    pub(crate) origin: SocketAddr,
    /// The run's own directory, for configurations and logs.
    pub(crate) directory: &'a Path,
    /// The program to measure.
    pub(crate) tidegate: &'a Path,
    pub(crate) core: usize,
    /// How many connections there may be. Each takes two descriptors by HAProxy's count.
    pub(crate) connections: usize,
}

/// A server that runs a case.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
}

impl Site<'_> {
    /// Starts a server on this case.
    pub(crate) fn start(&self, server: Server) -> Result<Running> {
        let address = free_address()?;
        let directory = self
            .directory
            .join(format!("{}-{}", self.case.name, server.name()));
        std::fs::create_dir_all(&directory)?;
        let command = match server {
            Server::Tidegate => self.haproxy_like(self.tidegate, &directory, address)?,
            Server::Haproxy => self.haproxy_like(Path::new("haproxy"), &directory, address)?,
            Server::Nginx => self.nginx(&directory, address)?,
            Server::Floor => floor(address, (self.case.floor == Floor::Relay).then_some(self.origin))?,
        };
        let process = Process::start(&command, self.core, &directory.join("output"), address)?;
        Ok(Running {
            server,
            address,
            process,
        })
    }

    /// The same configuration and script for both, to the letter.
    fn haproxy_like(&self, program: &Path, directory: &Path, address: SocketAddr) -> Result<Vec<String>> {
        let mut load = String::new();
        if let Some(script) = self.case.script {
            let path = directory.join(script);
            std::fs::write(&path, self.fill(&template(script)?, directory, address))?;
            load = format!("lua-load {}", path.display());
        }
        let listen = match self.case.way.over {
            Over::Http1 => String::new(),
            Over::Tls | Over::ResumedTls => format!("ssl crt {}", text_of(&self.certificate()?)),
            Over::Http2 => "proto h2".to_owned(),
        };
        let text = template("common.cfg")?.replace("@LUA@", &load) + &template(self.case.configuration)?;
        let path = directory.join("bench.cfg");
        let text = text
            .replace("@LOG@", &log_address()?.to_string())
            .replace("@LISTEN@", &listen)
            .replace("@MAXCONN@", &self.connections.to_string());
        std::fs::write(&path, self.fill(&text, directory, address))?;
        Ok(vec![
            text_of(program),
            "-db".to_owned(),
            "-f".to_owned(),
            text_of(&path),
        ])
    }

    /// A certificate with its key, made once for a run.
    fn certificate(&self) -> Result<PathBuf> {
        let path = self.directory.join("bench.pem");
        if !path.exists() {
            certificate::made(self.directory, "bench")?;
        }
        Ok(path)
    }

    fn nginx(&self, directory: &Path, address: SocketAddr) -> Result<Vec<String>> {
        let case = template(&format!("{}.conf", self.case.nginx()))?;
        let (listen, certificate) = match self.case.way.over {
            Over::Http1 => ("", String::new()),
            Over::Http2 => ("http2", String::new()),
            Over::Tls | Over::ResumedTls => {
                let file = text_of(&self.certificate()?);
                (
                    "ssl",
                    format!("ssl_certificate {file}; ssl_certificate_key {file};"),
                )
            }
        };
        let modules = match self.case.script {
            Some(_) => ["ndk_http_module.so", "ngx_http_lua_module.so"].map(|module| {
                let path = Path::new(NGINX_MODULES).join(module);
                format!("load_module {};\n", text_of(&path))
            }),
            None => [const { String::new() }; 2],
        };
        let text = template("common.conf")?
            .replace("@CASE@", &case)
            .replace("@LISTEN@", listen)
            .replace("@CERTIFICATE@", &certificate)
            .replace("@MODULES@", &modules.concat());
        let path = directory.join("nginx.conf");
        std::fs::write(&path, self.fill(&text, directory, address))?;
        Ok(["nginx", "-p", &text_of(directory), "-c", &text_of(&path)]
            .map(str::to_owned)
            .to_vec())
    }

    fn fill(&self, text: &str, directory: &Path, address: SocketAddr) -> String {
        text.replace("@PORT@", &address.port().to_string())
            .replace("@ORIGIN@", &self.origin.port().to_string())
            .replace("@DIR@", &text_of(directory))
    }
}

/// Where lines of log go: nobody reads them, but their senders aren't told that nobody is there.
fn log_address() -> Result<SocketAddr> {
    static SINK: OnceLock<std::io::Result<UdpSocket>> = OnceLock::new();
    match SINK.get_or_init(|| UdpSocket::bind(("127.0.0.1", 0))) {
        Ok(sink) => Ok(sink.local_addr()?),
        Err(why) => Err(format!("no socket for lines of log: {why}").into()),
    }
}

/// The command that runs an origin of long answers.
pub(crate) fn origin(listen: SocketAddr, bytes: usize) -> Result<Vec<String>> {
    Ok(vec![
        text_of(&std::env::current_exe()?),
        "origin".to_owned(),
        listen.to_string(),
        bytes.to_string(),
    ])
}

/// The command that runs the floor: this program itself.
pub(crate) fn floor(listen: SocketAddr, origin: Option<SocketAddr>) -> Result<Vec<String>> {
    let mut command = vec![
        text_of(&std::env::current_exe()?),
        "floor".to_owned(),
        listen.to_string(),
    ];
    command.extend(origin.map(|origin| origin.to_string()));
    Ok(command)
}

fn template(name: &str) -> Result<String> {
    let path: PathBuf = crate::root().join("xtask/bench").join(name);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

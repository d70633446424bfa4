//! The program with somebody to be served, and what it says of all others.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::support::Result;
use crate::support::origin::{head, named, origin, server};
use crate::support::site::{Site, rest};
use crate::support::tls::Authority;

/// Longest wait for what the program does. Only one that is at fault meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// By how much the most memory that the program has had may be more than what it had at first, in KiB.
const MEMORY_KIB: usize = 48 * 1024;

/// The listeners: of HTTP, of HTTP behind a PROXY header, of HTTP over TLS.
pub(crate) const PLAIN: usize = 0;
pub(crate) const PROXIED: usize = 1;
pub(crate) const SECURE: usize = 2;

/// The program, and one who behaves.
pub(crate) struct Ground {
    pub(crate) site: Site,
    /// Who vouches for it.
    pub(crate) authority: Authority,
    neighbour: BufReader<TcpStream>,
    /// Lines of the log that were looked at.
    seen: usize,
    memory_kib: usize,
}

/// A server that takes whatever comes and answers nothing, until it is let go of.
pub(crate) fn silent() -> Result<SocketAddr> {
    origin(|mut stream| Ok(std::io::copy(&mut stream, &mut std::io::sink()).map(drop)?))
}

/// A server that answers any request with these bytes, and then does as told.
pub(crate) fn says(
    answer: impl Into<Vec<u8>>,
    then: impl Fn(TcpStream) -> Result<()> + Send + Sync + 'static,
) -> Result<SocketAddr> {
    let answer = answer.into();
    origin(move |mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        stream.write_all(&answer)?;
        then(stream)
    })
}

/// Ends a connection by a reset.
pub(crate) fn reset(stream: TcpStream) -> Result<()> {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    drop(stream);
    Ok(())
}

/// Waits until the other side has had enough.
pub(crate) fn wait(mut stream: TcpStream) -> Result<()> {
    Ok(std::io::copy(&mut stream, &mut std::io::sink()).map(drop)?)
}

/// Reads on as far as to these bytes.
pub(crate) fn read_to(stream: &mut TcpStream, end: &[u8]) -> Result<Vec<u8>> {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        got.extend(byte);
    }
    Ok(got)
}

/// The status that a line of the log begins with.
pub(crate) fn status_of(line: &str) -> &str {
    line.get(..3).unwrap_or_default()
}

impl Ground {
    /// `/` is answered here, `/ok` by a server that is well, and `/to` by the one at this address.
    pub(crate) fn start(name: &str, to: SocketAddr) -> Result<Ground> {
        Ground::start_with(name, &server(to))
    }

    /// The same with the words behind a server's name.
    pub(crate) fn start_with(name: &str, to: &str) -> Result<Ground> {
        let authority = Authority::new("adversity")?;
        let certificate = authority.issue(&["localhost"])?.pem();
        let config = format!(
            "global\n    nbthread 1\n\
             defaults\n    mode http\n    log stdout format raw local0\n    log-format \"%ST %ts %b/%s %{{+Q}}r\"\n    \
             timeout connect 2s\n    timeout client 500ms\n    timeout server 500ms\n    timeout http-request 400ms\n    \
             timeout client-hs 400ms\n    timeout http-keep-alive 60s\n    retries 0\n\
             frontend site\n    bind 127.0.0.1:8080\n    \
             http-request set-log-level silent if {{ path /neighbour }}\n    \
             http-request wait-for-body time 300ms if {{ path /wait }}\n    \
             http-request return status 200 content-type text/plain string served if {{ path / /neighbour /wait }}\n    \
             use_backend ok if {{ path /ok }}\n    use_backend to if {{ path_beg /to }}\n\
             frontend proxied\n    bind 127.0.0.1:8081 accept-proxy\n    \
             http-request return status 200 content-type text/plain string served\n\
             frontend secure\n    bind 127.0.0.1:8082 ssl crt site/site.pem alpn h2,http/1.1\n    \
             http-request return status 200 content-type text/plain string served\n\
             backend ok\n    server s {}\n\
             backend to\n    server s {to}\n",
            server(named("fine")?)
        );
        let files = [("site.cfg", config.as_str()), ("site.pem", certificate.as_str())];
        let site = Site::start(&format!("adversity-{name}"), &files)?;
        let neighbour = BufReader::new(site.connect(PLAIN)?);
        let mut ground = Ground {
            site,
            authority,
            neighbour,
            seen: 0,
            memory_kib: 0,
        };
        ground.serves_others()?;
        ground.memory_kib = ground.memory("VmHWM:")?;
        // Whoever waited for the listeners has connected to each, and said nothing.
        for probed in ["400 CR site/", "proxied/1:", "secure/1:"] {
            ground.site.logged(probed)?;
        }
        ground.seen = ground.lines().len();
        Ok(ground)
    }

    /// Sends these bytes on a connection of their own. All that comes back: a connection that isn't ended then is an error.
    pub(crate) fn ask(&self, listener: usize, bytes: &[u8]) -> Result<String> {
        let mut stream = self.site.connect(listener)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // The program need not listen to the end.
        let _ = stream.write_all(bytes);
        rest(stream)
    }

    /// The next line of the log.
    pub(crate) fn told(&mut self) -> Result<String> {
        let start = Instant::now();
        loop {
            if let Some(line) = self.lines().get(self.seen) {
                self.seen += 1;
                return Ok(line.clone());
            }
            if start.elapsed() > PATIENCE {
                return Err("nothing was logged".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lines that nobody has looked at.
    pub(crate) fn untold(&self) -> Vec<String> {
        self.lines().split_off(self.seen)
    }

    /// So many more lines were looked at.
    pub(crate) fn skip(&mut self, lines: usize) {
        self.seen += lines;
    }

    fn lines(&self) -> Vec<String> {
        let output = self.site.output();
        let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(str::to_owned).collect()
    }

    /// Whoever behaves is served, and what the program has needed of memory is bounded.
    pub(crate) fn is_well(&mut self) -> Result<()> {
        self.serves_others()?;
        let most = self.memory_kib + MEMORY_KIB;
        let now = self.memory("VmHWM:")?;
        match now <= most {
            true => Ok(()),
            false => Err(format!("{now} KiB of memory, where {most} are the most").into()),
        }
    }

    /// The neighbour asks once more, on its old connection.
    pub(crate) fn serves_others(&mut self) -> Result<()> {
        let stream = self.neighbour.get_mut();
        stream.write_all(b"GET /neighbour HTTP/1.1\r\nhost: n\r\n\r\n")?;
        let head = head(&mut self.neighbour)?;
        let mut body = [0; 6];
        self.neighbour.read_exact(&mut body)?;
        match head.starts_with("HTTP/1.1 200 ") && body == *b"served" {
            true => Ok(()),
            false => Err(format!("the neighbour got {head}").into()),
        }
    }

    fn memory(&self, name: &str) -> Result<usize> {
        let status = std::fs::File::open(format!("/proc/{}/status", self.site.pid()))?;
        for line in BufReader::new(status).lines() {
            if let Some(amount) = line?.strip_prefix(name) {
                return Ok(amount.trim().trim_end_matches(" kB").parse()?);
            }
        }
        Err(format!("no {name}").into())
    }

    /// Waits until the program has no more connections than the neighbour's: the descriptors that it had.
    pub(crate) fn until_descriptors(&self, most: usize) -> Result<()> {
        let start = Instant::now();
        while self.descriptors()? > most {
            if start.elapsed() > PATIENCE {
                return Err(format!("{} descriptors, where {most} were", self.descriptors()?).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Descriptors that the program has.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        Ok(self.descriptor_numbers()?.len())
    }

    /// Their numbers.
    pub(crate) fn descriptor_numbers(&self) -> Result<Vec<usize>> {
        let all = std::fs::read_dir(format!("/proc/{}/fd", self.site.pid()))?;
        all.map(|fd| Ok(fd?.file_name().to_string_lossy().parse()?))
            .collect()
    }

    /// Asks, and compares what comes with what should: the line of the log begins with `line`, the answer has the status that it begins
    /// with, or is none.
    pub(crate) fn expect(&mut self, why: &str, bytes: &[u8], line: &str) -> Result<String> {
        let answer = self
            .ask(PLAIN, bytes)
            .map_err(|error| format!("{why}: {error}"))?;
        let status = line.get(..3).filter(|status| status.parse::<u16>().is_ok());
        match status {
            Some(status) => assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{why}: {answer}"
            ),
            None => assert_eq!(answer, "", "{why}"),
        }
        let told = self.told().map_err(|error| format!("{why}: {error}"))?;
        assert!(told.starts_with(line), "{why}: {told}");
        self.is_well().map_err(|error| format!("{why}: {error}"))?;
        Ok(answer)
    }
}

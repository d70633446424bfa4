//! The process itself: whose it is, what it may have, and how another one takes its place.

mod support;

use std::io::Write;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process};
use support::Result;
use support::place::Place;
use support::program::{binary, free_port};
use support::site::{Site, rest};

/// Longest wait for what a program at fault never does.
const PATIENCE: Duration = Duration::from_secs(20);

const REST: &str = "defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
    frontend site\n    bind 127.0.0.1:8080\n    http-request return status 200 content-type text/plain lf-string";

fn send(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).ok_or("no process")?;
    Ok(kill_process(pid, signal)?)
}

/// Waits until a file says so of a process.
fn until_gone(pid: u32) -> Result<()> {
    let start = Instant::now();
    while Path::new(&format!("/proc/{pid}")).exists() {
        if start.elapsed() > PATIENCE {
            return Err(format!("process {pid} never ended").into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Waits until no thread of a process runs that was told to stop: one that still does takes connections.
fn until_stopped(pid: u32) -> Result<()> {
    let start = Instant::now();
    loop {
        let mut all = true;
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let stat = std::fs::read_to_string(task?.path().join("stat"))?;
            all &= stat.contains(") T ");
        }
        if all {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("process {pid} never stopped").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The number that stands first in what a site answers.
fn serving(site: &Site) -> Result<u32> {
    let answer = site.get("/")?;
    let number = body(&answer).split(' ').next().unwrap_or_default();
    number.parse().map_err(|_| format!("no number: {answer}").into())
}

#[test]
fn a_master_replaces_the_process_that_serves() -> Result<()> {
    let global = "global\n    nbthread 1\n    master-worker\n    stats socket unix@run.sock\n";
    let site = Site::start(
        "process-master",
        &[("site.cfg", &format!("{global}{REST} \"%pid one\"\n"))],
    )?;
    let first = serving(&site)?;
    assert_ne!(first, site.pid());
    let file = site.directory().join("site.cfg");
    let written = std::fs::read_to_string(&file)?;
    // What is no configuration changes nothing.
    std::fs::write(&file, "nonsense\n")?;
    send(site.pid(), Signal::USR2)?;
    site.logged("the configuration stays as it was")?;
    assert_eq!(serving(&site)?, first);
    std::fs::write(&file, written.replace(" one", " two"))?;
    send(site.pid(), Signal::USR2)?;
    until_gone(first)?;
    let answer = site.get("/")?;
    assert!(answer.ends_with(" two"), "{answer}");
    let second = serving(&site)?;
    assert_ne!(second, first);
    // The runtime API is the new one's.
    let mut socket = UnixStream::connect(find(site.directory(), "run.sock")?)?;
    std::io::Write::write_all(&mut socket, b"show info\n")?;
    let mut told = String::new();
    std::io::Read::read_to_string(&mut socket, &mut told)?;
    assert!(told.contains(&format!("\nPid: {second}\n")), "{told}");
    // Without its master a process that serves has no reason to be.
    drop(site);
    until_gone(second)
}

#[test]
fn a_process_that_lives_through_too_many_reloads_is_ended() -> Result<()> {
    // It never answers, so that there is a session which doesn't end.
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let config = format!(
        "global\n    nbthread 1\n    master-worker\n    mworker-max-reloads 0\n{REST} %pid if !{{ path /held }}\n    \
         timeout client 60s\n    default_backend silent\nbackend silent\n    timeout server 60s\n    \
         server s localhost:{}\n",
        silent.local_addr()?.port()
    );
    let site = Site::start("process-reloads", &[("site.cfg", &config)])?;
    let first = serving(&site)?;
    let held = site.begin("/held")?;
    let (_asked, _) = silent.accept()?;
    send(site.pid(), Signal::USR2)?;
    until_gone(first)?;
    assert_ne!(serving(&site)?, first);
    drop(held);
    Ok(())
}

#[test]
fn a_master_starts_another_process_for_one_that_ended_unasked() -> Result<()> {
    let config = format!("global\n    nbthread 1\n    master-worker\n{REST} %pid\n");
    let site = Site::start("process-killed", &[("site.cfg", &config)])?;
    let first = serving(&site)?;
    // The master passes on what is for the other one.
    send(site.pid(), Signal::QUIT)?;
    site.logged("SIGQUIT: ")?;
    send(first, Signal::KILL)?;
    let second = another(&site, &[first])?;
    site.logged("the process that serves has ended (signal: 9 (SIGKILL)); another one is started")?;
    // Whatever was wrong with the configuration meanwhile, it is the master that stays.
    let file = site.directory().join("site.cfg");
    let written = std::fs::read_to_string(&file)?;
    std::fs::write(&file, "nonsense\n")?;
    send(second, Signal::KILL)?;
    site.logged("no process serves (the process that was to serve did not start); another one is started")?;
    std::fs::write(&file, written)?;
    another(&site, &[first, second]).map(drop)
}

/// The master has the sockets too: those who connect are lost with nobody, and a name that only one process can listen on
/// goes from one to the next.
#[test]
fn who_waits_while_nobody_serves_is_served_by_the_next_process() -> Result<()> {
    let name = format!("tidegate-process-{}", std::process::id());
    let config = format!(
        "global\n    nbthread 2\n    master-worker\n    stats socket abns@{name}-api\n\
         {REST} %pid\n    bind 127.0.0.1:8081\n    bind abns@{name}\n"
    );
    let site = Site::start("process-handed", &[("site.cfg", &config)])?;
    let ask = |name: &str, what: &str| -> Result<String> {
        let mut stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
        stream.write_all(what.as_bytes())?;
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer)?;
        Ok(answer)
    };
    let by_name = || -> Result<u32> {
        let answer = ask(&name, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        Ok(body(&answer).parse()?)
    };
    let first = by_name()?;
    // Once it passes this on, the master knows the process and has its sockets.
    send(site.pid(), Signal::QUIT)?;
    site.logged("SIGQUIT: ")?;
    send(first, Signal::STOP)?;
    until_stopped(first)?;
    let waiting = (0..20).map(|_| site.begin("/")).collect::<Result<Vec<_>>>()?;
    send(first, Signal::KILL)?;
    let mut served = Vec::new();
    for waiting in waiting {
        served.push(body(&rest(waiting)?).parse::<u32>()?);
    }
    served.dedup();
    let [second] = served[..] else {
        return Err(format!("served by {served:?}").into());
    };
    assert_eq!((second == first, by_name()?), (false, second));
    // One listener less, the others as they were.
    let file = site.directory().join("site.cfg");
    let written = std::fs::read_to_string(&file)?;
    let without = format!("    bind {}\n", site.address(1)?);
    std::fs::write(&file, written.replace(&without, ""))?;
    send(site.pid(), Signal::USR2)?;
    until_gone(second)?;
    let third = serving(&site)?;
    assert!(third != second && by_name()? == third);
    let info = ask(&format!("{name}-api"), "show info\n")?;
    assert!(info.contains(&format!("\nPid: {third}\n")), "{info}");
    assert!(site.connect(1).is_err(), "nobody listens there any more");
    Ok(())
}

#[test]
fn a_master_ends_as_the_process_that_served_did() -> Result<()> {
    let config = format!("global\n    nbthread 1\n    master-worker\n{REST} %pid\n");
    for (signal, status, told) in [
        (Signal::TERM, 0, "exit status: 0"),
        (Signal::KILL, 137, "signal: 9 (SIGKILL)"),
    ] {
        let mut site = Site::start_with(
            "process-ended",
            &[("site.cfg", &config)],
            &["-p", "site/master.pid"],
        )?;
        let mut before = vec![serving(&site)?];
        // It serves before its master knows, who writes this when it does.
        let start = Instant::now();
        while !site.directory().join("master.pid").exists() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let told = format!("the process that serves has ended ({told}); so does this one");
        loop {
            // One that has just ended can't be told to.
            let _ = send(before.last().copied().unwrap_or_default(), signal);
            match another(&site, &before) {
                Ok(next) => before.push(next),
                Err(_) => break,
            }
        }
        assert_eq!(site.status()?, Some(status), "{}", site.output());
        site.logged(&told)?;
        // The first one is followed by some, unless it was told to end.
        assert_eq!(before.len(), if status == 0 { 1 } else { 7 });
    }
    Ok(())
}

/// The number of the process that serves, once it is none of these; an error once nobody listens any more and the master is
/// gone.
fn another(site: &Site, before: &[u32]) -> Result<u32> {
    let start = Instant::now();
    loop {
        match serving(site) {
            Ok(pid) if !before.contains(&pid) => {
                // It serves before its master knows.
                site.logged(&format!("process {pid} serves in its place"))?;
                return Ok(pid);
            }
            _ if start.elapsed() > PATIENCE => return Err("no other process serves".into()),
            _ if is_over(site.pid()) => return Err("the master is gone".into()),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Whether a process of this test has ended.
fn is_over(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[test]
fn each_frontend_may_be_given_a_bound_on_the_command_line() -> Result<()> {
    let global = "global\n    nbthread 1\n    stats socket unix@run.sock\n";
    let other = "frontend other\n    bind 127.0.0.1:8081\n    maxconn 5\n";
    let site = Site::start_with(
        "process-bounds",
        &[("site.cfg", &format!("{global}{REST} %pid\n{other}"))],
        &["-N", "7", "-x", "nobody.sock"],
    )?;
    site.logged("`-x` has no effect")?;
    let mut socket = UnixStream::connect(find(site.directory(), "run.sock")?)?;
    socket.write_all(b"show stat -1 1 -1\n")?;
    let mut told = String::new();
    std::io::Read::read_to_string(&mut socket, &mut told)?;
    let bound = |name: &str| {
        let line = told
            .lines()
            .find(|line| line.starts_with(&format!("{name},FRONTEND,")));
        line.and_then(|line| line.split(',').nth(6))
    };
    assert_eq!((bound("site"), bound("other")), (Some("7"), Some("5")), "{told}");
    Ok(())
}

/// A file in a directory or the one above.
fn find(directory: &Path, name: &str) -> Result<std::path::PathBuf> {
    let above = directory.parent().unwrap_or(directory);
    let places = [directory.join(name), above.join(name)];
    places
        .into_iter()
        .find(|path| path.exists())
        .ok_or_else(|| format!("no `{name}`").into())
}

/// Whoever is connected, or will be as far as the system is concerned, and hasn't been answered yet, is answered. Only
/// connections that have nothing to ask are closed.
#[test]
fn a_soft_stop_serves_who_waits_to_be_accepted_and_who_is_asking() -> Result<()> {
    const ASKS: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let config = format!("global\n    nbthread 2\n{REST} served\n");
    let mut site = Site::start("process-queue", &[("site.cfg", &config)])?;
    let mut kept = site.connect(0)?;
    kept.write_all(ASKS)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"served") {
        let mut piece = [0; 1024];
        let length = std::io::Read::read(&mut kept, &mut piece)?;
        answer.extend(
            piece
                .get(..length)
                .filter(|piece| !piece.is_empty())
                .ok_or("it ended")?,
        );
    }
    let (mut silent, mut half) = (site.connect(0)?, site.connect(0)?);
    half.write_all(ASKS.get(..20).unwrap_or_default())?;
    // Some time in which the program accepts those two. They wait with the others if it doesn't.
    assert!(site.get("/")?.ends_with("served"));
    send(site.pid(), Signal::STOP)?;
    let waiting = (0..20).map(|_| site.begin("/")).collect::<Result<Vec<_>>>()?;
    send(site.pid(), Signal::USR1)?;
    send(site.pid(), Signal::CONT)?;
    for waiting in waiting {
        assert!(rest(waiting)?.ends_with("served"));
    }
    assert_eq!(rest(kept)?, "");
    half.write_all(ASKS.get(20..).unwrap_or_default())?;
    silent.write_all(ASKS)?;
    for asking in [half, silent] {
        assert!(rest(asking)?.ends_with("served"));
    }
    assert_eq!(site.status()?, Some(0));
    Ok(())
}

#[test]
fn a_new_process_lets_the_old_one_finish() -> Result<()> {
    let site = Site::start(
        "process-finish",
        &[(
            "site.cfg",
            &format!("global\n    nbthread 1\n    pidfile site/own.pid\n{REST} %pid\n"),
        )],
    )?;
    let old = site.pid();
    let numbers = site.directory().join("own.pid");
    let number = || std::fs::read_to_string(&numbers);
    assert_eq!(serving(&site)?, old);
    assert_eq!(number()?, format!("{old}\n"));
    let mut next = Command::new(binary())
        .args(["-db", "-f", "site/site.cfg", "-sf", &old.to_string()])
        .current_dir(site.directory().join(".."))
        .spawn()?;
    let start = Instant::now();
    let found: Result<()> = loop {
        // While both listen, either may answer.
        match serving(&site) {
            Ok(pid) if pid == next.id() => break Ok(()),
            _ if start.elapsed() > PATIENCE => break Err("the new process never serves".into()),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    // The old one is this test's child, and waits to be asked after once it has ended.
    while !is_over(old) && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = is_over(old);
    // The number in the file is the new one's by now, and goes with that.
    let told = number();
    send(next.id(), Signal::TERM)?;
    next.wait()?;
    assert!(ended, "the old process is still there");
    found?;
    assert_eq!(told?, format!("{}\n", next.id()));
    assert!(!numbers.exists());
    Ok(())
}

#[test]
fn descriptors_and_unix_sockets_are_as_the_configuration_says() -> Result<()> {
    let place = std::env::temp_dir().join(format!("tidegate-process-{}", std::process::id()));
    let prefix = place.display();
    let config = format!(
        "global\n    nbthread 1\n    ulimit-n 600\n    unix-bind prefix {prefix} mode 600\n{REST} x\n    \
         bind unix@.sock\n    bind unix@.open mode 666\n"
    );
    let site = Site::start("process-limits", &[("site.cfg", &config)])?;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", site.pid()))?;
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap_or_default();
    assert_eq!(files.split_whitespace().nth(3), Some("600"), "{limits}");
    for (path, mode) in [
        (format!("{prefix}.sock"), 0o600),
        (format!("{prefix}.open"), 0o666),
    ] {
        let found = std::fs::metadata(&path)?.permissions().mode() & 0o777;
        std::fs::remove_file(&path)?;
        assert_eq!(found, mode, "{path}");
    }
    Ok(())
}

#[test]
fn rights_are_given_up_before_anybody_is_served() -> Result<()> {
    let config = |own: &str| format!("global\n    nbthread 2\n{own}{REST} %pid\n");
    if !getuid().is_root() {
        // Whoever has no rights to give up is told so.
        let site = Site::start("process-rights", &[("site.cfg", &config("    uid 0\n"))]);
        let said = site.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(said.contains("cannot become user 0"), "{said}");
        return Ok(());
    }
    let jail = std::env::temp_dir().join(format!("tidegate-jail-{}", std::process::id()));
    std::fs::create_dir_all(&jail)?;
    let own = format!("    chroot {}\n    uid 65534\n    gid 65533\n", jail.display());
    let site = Site::start("process-rights", &[("site.cfg", &config(&own))])?;
    let pid = serving(&site)?;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = std::fs::read_to_string(thread?.path().join("status"))?;
        assert!(
            status.contains("\nUid:\t65534\t65534\t65534\t65534\n"),
            "{status}"
        );
        assert!(
            status.contains("\nGid:\t65533\t65533\t65533\t65533\n"),
            "{status}"
        );
        assert!(
            status.lines().any(|line| line.trim_end() == "Groups:"),
            "{status}"
        );
    }
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/root"))?, jail);
    std::fs::remove_dir_all(jail)?;
    Ok(())
}

#[test]
fn a_hangup_is_survived() -> Result<()> {
    let site = Site::start(
        "process-hangup",
        &[("site.cfg", &format!("global\n    nbthread 1\n{REST} %pid\n"))],
    )?;
    send(site.pid(), Signal::HUP)?;
    for _ in 0..20 {
        assert_eq!(serving(&site)?, site.pid());
    }
    Ok(())
}

#[test]
fn memory_is_given_back_on_demand() -> Result<()> {
    let site = Site::start(
        "process-quit",
        &[("site.cfg", &format!("global\n    nbthread 1\n{REST} %pid\n"))],
    )?;
    send(site.pid(), Signal::QUIT)?;
    site.logged("SIGQUIT: ")?;
    let output = site.output();
    let line = output.lines().find(|line| line.starts_with("SIGQUIT: "));
    let words: Vec<_> = line.ok_or("no line")?.split(' ').collect();
    let numbers = words.iter().filter(|word| word.parse::<u32>().is_ok()).count();
    assert_eq!(numbers, 3, "{output}");
    assert_eq!(serving(&site)?, site.pid());
    Ok(())
}

/// Whether the system probes the connection from one port to another.
fn is_probed(from: u16, to: u16) -> Result<bool> {
    let port = |address: &str| -> Result<u16> {
        let (_, port) = address.split_once(':').ok_or("no port")?;
        Ok(u16::from_str_radix(port, 16)?)
    };
    for line in std::fs::read_to_string("/proc/net/tcp")?.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[_, local, remote, "01", _, timer, ..] = fields.as_slice() else {
            continue;
        };
        if (port(local)?, port(remote)?) == (from, to) {
            return Ok(timer.starts_with("02:"));
        }
    }
    Err(format!("no connection from port {from} to port {to}").into())
}

#[test]
fn idle_connections_are_probed_on_demand() -> Result<()> {
    for (option, of_client, of_server) in [
        ("tcpka", true, true),
        ("clitcpka", true, false),
        ("srvtcpka", false, true),
        ("dontlognull", false, false),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let origin = listener.local_addr()?.port();
        let config = format!(
            "global\n    nbthread 1\ndefaults\n    mode tcp\n    timeout connect 5s\n    timeout client 15s\n    \
             timeout server 15s\nlisten site\n    bind 127.0.0.1:8080\n    option {option}\n    clitcpka-idle 50s\n    \
             srvtcpka-idle 50s\n    srvtcpka-cnt 2\n    server s localhost:{origin}\n"
        );
        let site = Site::start("process-probes", &[("site.cfg", &config)])?;
        let mut client = site.connect(0)?;
        std::io::Write::write_all(&mut client, b"here")?;
        // Whoever looked whether the site listens said nothing.
        let served = loop {
            let (mut stream, _) = listener.accept()?;
            let mut said = [0; 4];
            if std::io::Read::read(&mut stream, &mut said)? > 0 {
                break stream;
            }
        };
        // What was sent is acknowledged by now, or soon.
        let start = Instant::now();
        let (here, there) = (client.local_addr()?.port(), client.peer_addr()?.port());
        let from = served.peer_addr()?.port();
        let found = || -> Result<(bool, bool)> { Ok((is_probed(there, here)?, is_probed(from, origin)?)) };
        while found()? != (of_client, of_server) && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(found()?, (of_client, of_server), "{option}");
    }
    Ok(())
}

#[test]
fn idle_connections_end_with_a_soft_stop_or_with_their_next_response() -> Result<()> {
    for waits in [false, true] {
        let option = if waits {
            "    option idle-close-on-response\n"
        } else {
            ""
        };
        let config = format!(
            "global\n    nbthread 1\ndefaults\n    mode http\n    timeout client 15s\nfrontend site\n    \
             bind 127.0.0.1:8080\n{option}    http-request return status 200 content-type text/plain string here\n"
        );
        let site = Site::start("process-idle", &[("site.cfg", &config)])?;
        let mut client = std::io::BufReader::new(site.connect(0)?);
        let mut ask = || -> Result<String> {
            // Where nobody is there any more, it is what is read that tells.
            let _ = std::io::Write::write_all(client.get_mut(), b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
            let head = support::origin::head(&mut client).unwrap_or_default();
            if !head.is_empty() {
                std::io::Read::read_exact(&mut client, &mut [0; 4])?;
            }
            Ok(head.to_ascii_lowercase())
        };
        let first = ask()?;
        assert!(
            first.starts_with("http/1.1 200") && !first.contains("connection: close"),
            "{first}"
        );
        send(site.pid(), Signal::USR1)?;
        // It stops as soon as it listens no more.
        let start = Instant::now();
        while site.connect(0).is_ok() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let next = ask()?;
        match waits {
            true => assert!(next.contains("connection: close"), "{next}"),
            false => assert_eq!(next, ""),
        }
    }
    Ok(())
}

#[test]
fn whoever_comes_from_a_privileged_port_is_served_unless_that_is_forbidden() -> Result<()> {
    for forbidden in ["on", "off"] {
        let global = format!(
            "global\n    nbthread 3\n    thread-hard-limit 1\n    harden.reject-privileged-ports.tcp {forbidden}\n"
        );
        let site = Site::start("process-ports", &[("site.cfg", &format!("{global}{REST} x\n"))])?;
        let there = site.connect(0)?.peer_addr()?;
        site.logged("`nbthread 3` is more than `thread-hard-limit 1`")?;
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        let bind = |port: u16| socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into());
        // Whoever may not have such a port can't try.
        if !(600..1024).any(|port| bind(port).is_ok()) {
            return Ok(());
        }
        socket.connect(&there.into())?;
        let mut stream = std::net::TcpStream::from(socket);
        let _ = std::io::Write::write_all(
            &mut stream,
            b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        );
        let mut answer = String::new();
        let _ = std::io::Read::read_to_string(&mut stream, &mut answer);
        assert_eq!(answer.is_empty(), forbidden == "on", "{answer}");
    }
    Ok(())
}

#[test]
fn connections_have_the_buffers_and_the_algorithm_that_are_asked_for() -> Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let origin = listener.local_addr()?.port();
    let config = format!(
        "global\n    nbthread 1\n    tune.rcvbuf.client 8k\n    tune.sndbuf.server 16k\ndefaults\n    mode tcp\n    \
         timeout connect 5s\n    timeout client 15s\n    timeout server 15s\nlisten site\n    bind 127.0.0.1:8080\n    \
         server s localhost:{origin} cc reno\n"
    );
    let site = Site::start("process-buffers", &[("site.cfg", &config)])?;
    let client = site.connect(0)?;
    let (here, there) = (client.local_addr()?.port(), client.peer_addr()?.port());
    let (served, _) = loop {
        // Whoever looked whether the site listens is gone.
        let (stream, from) = listener.accept()?;
        stream.set_nonblocking(true)?;
        if std::io::Read::read(&mut &stream, &mut [0]).is_err() {
            break (stream, from);
        }
    };
    let from = served.peer_addr()?.port();
    let told = |own: u16, other: u16| -> Result<String> {
        let filter = format!("( sport = :{own} and dport = :{other} )");
        let output = Command::new("ss").args(["-Htnim", &filter]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // Where there is no such program nobody can tell.
    if Command::new("ss").arg("-V").output().is_err() {
        return Ok(());
    }
    let (to_client, to_server) = (told(there, here)?, told(from, origin)?);
    assert!(to_client.contains("rb16384,"), "{to_client}");
    assert!(
        to_server.contains("tb32768,") && to_server.contains(" reno "),
        "{to_server}"
    );
    Ok(())
}

/// `backlog`: how many may wait to be accepted; the line's own, else the proxy's.
#[test]
fn as_many_wait_to_be_accepted_as_the_lines_say() -> Result<()> {
    let config = "global\n    nbthread 1\ndefaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    \
                  timeout server 15s\nfrontend f\n    backlog 77\n    bind 127.0.0.1:8080\n    \
                  bind 127.0.0.1:8081 backlog 33\n    http-request return status 200\n";
    let site = Site::start("process-backlog", &[("site.cfg", config)])?;
    if Command::new("ss").arg("-V").output().is_err() {
        return Ok(());
    }
    for (bind, wanted) in [(0, "77"), (1, "33")] {
        let port = site.connect(bind)?.peer_addr()?.port();
        let output = Command::new("ss")
            .args(["-Hltn", &format!("( sport = :{port} )")])
            .output()?;
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        // State, those that wait, those that may.
        assert_eq!(line.split_whitespace().nth(2), Some(wanted), "{line}");
    }
    Ok(())
}

/// `v4v6` and `v6only`, on an address of IPv4 as IPv6 has it; and a name in an address's place.
#[test]
fn an_address_of_ipv6_takes_ipv4_where_the_line_says_so() -> Result<()> {
    let place = Place::new("process-v6only")?;
    let port = free_port()?;
    let config = |more: &str| {
        format!(
            "defaults\n    mode http\n    timeout client 15s\nfrontend f\n    bind ipv6@[::ffff:7f00:1]:{port} {more}\n    \
             http-request return status 200\n"
        )
    };
    let path = place.file("only.cfg", &config("v6only"))?;
    let output = Command::new(binary()).args(["-db", "-f", &path]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("ffff:7f00:1"), "{said}");
    let name = format!(
        "frontend other\n    bind ipv4@LOCALHOST:{}\n    http-request return status 204\n",
        free_port()?
    );
    let named = name
        .split(':')
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .ok_or("no port")?;
    let both = format!("{}{name}", config("v4v6"));
    let site = Site::start("process-v4v6", &[("site.cfg", &both)])?;
    for (port, wanted) in [
        (port.to_string(), "HTTP/1.1 200 "),
        (named.to_owned(), "HTTP/1.1 204 "),
    ] {
        let start = Instant::now();
        let mut stream = loop {
            match std::net::TcpStream::connect(format!("127.0.0.1:{port}")) {
                Ok(stream) => break stream,
                Err(why) if start.elapsed() > Duration::from_secs(20) => {
                    return Err(format!("{port}: {why}\n{}", site.output()).into());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let answer = rest(stream)?;
        assert!(answer.starts_with(wanted), "{answer}");
    }
    Ok(())
}

/// `tune.sndbuf.backend`: what the system holds of log lines.
#[test]
fn lines_that_are_to_be_sent_have_the_room_that_is_asked_for() -> Result<()> {
    let log = support::syslog::Syslog::new()?;
    let config = format!(
        "global\n    nbthread 1\n    tune.sndbuf.backend 48k\n    log {} format raw local0\ndefaults\n    mode http\n    \
         log global\n    timeout client 15s\nfrontend f\n    bind 127.0.0.1:8080\n    option dontlognull\n    \
         log-format line\n    http-request return status 200\n",
        log.target()?
    );
    let site = Site::start("process-log-buffers", &[("site.cfg", &config)])?;
    site.get("/")?;
    let (_, from) = log.0.recv_from(&mut [0; 1024])?;
    if Command::new("ss").arg("-V").output().is_err() {
        return Ok(());
    }
    let output = Command::new("ss")
        .args(["-Hunam", &format!("( sport = :{} )", from.port())])
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    // The system counts twice what is asked for.
    assert!(told.contains("tb98304,"), "{told}");
    Ok(())
}

/// `thread`: only those that a line names take its connections.
#[test]
fn threads_take_the_connections_of_their_lines_alone() -> Result<()> {
    let config = |words: [&str; 3]| {
        format!(
            "global\n    nbthread 4\ndefaults\n    mode http\n    timeout client 15s\nfrontend f\n    \
             bind 127.0.0.1:8080 thread {}\n    bind 127.0.0.1:8081 thread {}\n    bind 127.0.0.1:8082 thread {}\n    \
             http-request return status 200 content-type text/plain lf-string %[thread]\n",
            words[0], words[1], words[2]
        )
    };
    let site = Site::start(
        "process-threads",
        &[("site.cfg", &config(["2", "even", "1/1,3-"]))],
    )?;
    for (bind, named) in [(0, &["1"][..]), (1, &["1", "3"]), (2, &["0", "2", "3"])] {
        for _ in 0..30 {
            let mut stream = site.connect(bind)?;
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
            let answer = rest(stream)?;
            let thread = answer.rsplit("\r\n").next().unwrap_or_default();
            assert!(named.contains(&thread), "{bind}: {answer}");
        }
    }
    let place = Place::new("process-no-thread")?;
    for (word, said) in [
        ("5-", "`nbthread` makes it 4"),
        ("some", "`some` is no set of threads"),
    ] {
        let path = place.file("none.cfg", &config([word, "all", "odd"]))?;
        let output = Command::new(binary()).args(["-c", "-f", &path]).output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(said), "{told}");
    }
    Ok(())
}

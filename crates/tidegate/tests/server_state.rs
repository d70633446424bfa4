//! What servers are when they begin: after a reload, and after maintenance.

mod support;

use support::Result;
use support::place::Place;
use support::runtime::Runtime;

const HEAD: &str =
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight\n";

/// The line of a server in `show servers state`, as words.
fn state(runtime: &Runtime, server: &str) -> Result<Vec<String>> {
    let all = runtime.ask("show servers state\n")?;
    let line = all
        .lines()
        .map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .find(|words| words.get(3).is_some_and(|name| name == server));
    line.ok_or_else(|| format!("no server {server}: {all}").into())
}

/// Address, operational state, administrative state, weight, time and port of a server.
fn told(runtime: &Runtime, server: &str) -> Result<[String; 6]> {
    let words = state(runtime, server)?;
    let word = |at: usize| words.get(at).cloned().unwrap_or_default();
    Ok([word(4), word(5), word(6), word(7), word(9), word(18)])
}

#[test]
fn servers_go_on_as_they_were_before_a_reload() -> Result<()> {
    let place = Place::new("states")?;
    let states = place.file(
        "all",
        &format!(
            "{HEAD}9 app 1 drained 192.0.2.9 2 8 5 10 1000000 1 0 0 0 0 0 0 - 8099 - 0 0 - - 0\n\
             9 app 2 weighed 192.0.2.1 2 0 5 11 1000000 1 0 0 0 0 0 0 - 80 - 0 0 - - 0\n\
             9 app 3 down 192.0.2.1 0 0 10 10 1000000 8 2 0 6 0 0 0 - 80 - 0 0 - - 0\n\
             9 app 4 unchecked 192.0.2.1 0 0 10 10 1000000 8 2 0 6 0 0 0 - 80 - 0 0 - - 0\n\
             9 app 5 maint 192.0.2.1 2 1 10 10 1000000 8 2 0 6 0 0 0 - 80 - 0 0 - - 0\n\
             9 app 6 named 127.0.0.77 2 0 10 10 1000000 1 0 0 0 0 0 0 localhost 80 - 0 0 - - 0\n\
             9 app 8 checked 192.0.2.1 2 0 10 10 1000000 6 3 3 6 0 0 0 - 80 - 0 0 - - 0\n\
             9 other 1 drained 192.0.2.9 2 0 1 10 1000000 1 0 0 0 0 0 0 - 80 - 0 0 - - 0\n\
             what is this\n"
        ),
    )?;
    let rest = "backend app\n    load-server-state-from-file global\n    default-server weight 10 inter 1h\n    \
         server drained 192.0.2.1:80\n    server weighed 192.0.2.1:80\n    server down 192.0.2.1:80 check\n    \
         server unchecked 192.0.2.1:80\n    server maint 192.0.2.1:80\n    server named localhost:80\n    server new 192.0.2.1:80\n    \
         server checked 192.0.2.1:80 check\n\
         backend fresh\n    server alone 192.0.2.1:80\n";
    let runtime = Runtime::start(
        "states",
        "level admin",
        &format!("    server-state-file {states}\n"),
        rest,
    )?;
    let known = |server| -> Result<[String; 5]> {
        let [ip, operational, admin, weight, since, port] = told(&runtime, server)?;
        assert!(since.starts_with("10000"), "{server}: {since}");
        Ok([ip, operational, admin, weight, port])
    };
    // An address that is written stays; the port may have been changed by an operator.
    assert_eq!(known("drained")?, ["192.0.2.1", "2", "8", "5", "8099"]);
    // Its weight is another one by now.
    assert_eq!(known("weighed")?, ["192.0.2.1", "2", "0", "10", "80"]);
    assert_eq!(known("down")?, ["192.0.2.1", "0", "0", "10", "80"]);
    // Nobody would find out that it is up.
    assert_eq!(known("unchecked")?, ["192.0.2.1", "2", "0", "10", "80"]);
    assert_eq!(known("maint")?, ["192.0.2.1", "0", "1", "10", "80"]);
    assert_eq!(known("named")?, ["127.0.0.77", "2", "0", "10", "80"]);
    // What is written now serves the next process as well.
    let words = state(&runtime, "named")?;
    assert_eq!(words.get(17).map(String::as_str), Some("localhost"));
    let health = |server| state(&runtime, server).map(|words| words.get(12).cloned());
    assert_eq!(health("checked")?.as_deref(), Some("3"));
    let [ip, _, admin, weight, since, _] = told(&runtime, "new")?;
    assert_eq!((&*ip, &*admin, &*weight), ("192.0.2.1", "0", "10"));
    assert!(since.len() < 4, "{since}");
    runtime.site.logged("line 11 is not understood")
}

#[test]
fn a_backend_may_have_a_file_of_its_own() -> Result<()> {
    let place = Place::new("states-local")?;
    let line = |backend: &str| {
        format!("{HEAD}1 {backend} 1 s 192.0.2.1 2 8 5 10 9 1 0 0 0 0 0 0 - 80 - 0 0 - - 0\n")
    };
    place.file("one", &line("one"))?;
    place.file("other", &line("two"))?;
    let backend = |name: &str, file: &str| {
        format!(
            "backend {name}\n    load-server-state-from-file local\n{file}    server {name} 192.0.2.1:80\n"
        )
    };
    let rest = format!(
        "{}{}{}",
        backend("one", "").replace("server one", "server s"),
        backend("two", "    server-state-file-name other\n").replace("server two", "server s"),
        backend("three", "    server-state-file-name use-backend-name\n")
    );
    let global = format!("    server-state-base {}\n", place.0.display());
    let runtime = Runtime::start("states-local", "level admin", &global, &rest)?;
    let all = runtime.ask("show servers state\n")?;
    for backend in ["one", "two"] {
        assert!(
            all.contains(&format!(" {backend} 1 s 192.0.2.1 2 8 1 1 ")),
            "{all}"
        );
    }
    assert!(all.contains(" three 1 three 192.0.2.1 2 0 1 1 "), "{all}");
    runtime.site.logged("/three` is not used")
}

#[test]
fn who_returns_to_service_begins_anew() -> Result<()> {
    let rest = "defaults two\n    mode http\n    timeout connect 5s\n    timeout client 5s\n    timeout server 5s\n    log stdout format raw local0\n\
         backend app from two\n    server s 127.0.0.9:1 check inter 100ms rise 1 fall 1\n    \
         server slow 127.0.0.9:1 check inter 100ms rise 1 fall 1 init-state down\n\
         backend follows from two\n    server t 127.0.0.9:1 track app/s\n";
    let runtime = Runtime::start("maint", "level admin", "", rest)?;
    let site = &runtime.site;
    site.logged("Server app/s is DOWN, reason: Layer4 connection problem")?;
    runtime.ask("disable server app/s; disable server app/slow\n")?;
    site.logged("Server app/s was DOWN and now enters maintenance.")?;
    site.logged("Server follows/t was DOWN and now enters maintenance via app/s.")?;
    runtime.ask("enable server app/s; enable server app/slow\n")?;
    site.logged("Server app/s is UP/READY (leaving forced maintenance).")?;
    site.logged("Server follows/t is UP/READY (leaving maintenance).")?;
    site.logged("Server app/slow is DOWN/READY (leaving forced maintenance).")?;
    // And its checks find out again.
    let downs = |output: &str| output.matches("Server app/s is DOWN, reason").count();
    let start = std::time::Instant::now();
    while downs(&site.output()) < 2 {
        if start.elapsed() > support::runtime::PATIENCE {
            return Err(format!("it stays up: {}", site.output()).into());
        }
    }
    runtime.ask("set server app/s state drain\n")?;
    site.logged("Server app/s enters drain state. 0 active and 0 backup servers left.")?;
    let stat = runtime.until("show stat app 4 -1 typed\n", "downtime")?;
    let downtime = stat
        .lines()
        .find(|line| line.contains(".downtime."))
        .ok_or("no downtime")?;
    assert!(downtime.contains(":u64:"), "{downtime}");
    Ok(())
}

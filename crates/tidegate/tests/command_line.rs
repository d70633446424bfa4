//! The flags, and the exit status that each way out has.

mod support;

use std::process::{Command, Output};

use support::Result;
use support::place::Place;
use support::program::binary;

const SITE: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen site
    bind 127.0.0.1:18080
    http-request return status 200
";

fn tidegate(args: &[&str]) -> Result<Output> {
    Ok(Command::new(binary()).args(args).env("NO_COLOR", "1").output()?)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn v_tells_the_version_and_vv_how_it_was_built() -> Result<()> {
    let short = tidegate(&["-v"])?;
    assert!(
        stdout(&short).starts_with(concat!("Tidegate ", env!("CARGO_PKG_VERSION"))),
        "{}",
        stdout(&short)
    );
    let long = tidegate(&["-vv"])?;
    assert!(
        stdout(&long).contains("features: LINUX_SPLICE LUA"),
        "{}",
        stdout(&long)
    );
    assert!(short.status.success() && long.status.success());
    Ok(())
}

#[test]
fn c_says_that_a_configuration_is_valid_and_q_says_nothing() -> Result<()> {
    let place = Place::new("check")?;
    let file = place.file("site.cfg", SITE)?;
    let output = tidegate(&["-c", "-f", &file])?;
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "Configuration file is valid\n")
    );
    let quiet = tidegate(&["-c", "-q", "-f", &file])?;
    assert_eq!(
        (
            quiet.status.code(),
            stdout(&quiet).as_str(),
            stderr(&quiet).as_str()
        ),
        (Some(0), "", "")
    );
    Ok(())
}

#[test]
fn several_files_and_directories_are_one_configuration() -> Result<()> {
    let place = Place::new("several")?;
    let defaults = place.file("defaults.cfg", "defaults\n    mode http\n    timeout client 1s\n")?;
    std::fs::create_dir_all(place.0.join("conf.d"))?;
    place.file(
        "conf.d/1.cfg",
        "frontend a\n    bind 127.0.0.1:18080\n    default_backend b\n",
    )?;
    place.file(
        "conf.d/2.cfg",
        "backend b\n    timeout connect 1s\n    timeout server 1s\n    server s 127.0.0.1:1\n",
    )?;
    place.file("conf.d/ignored.txt", "this is no configuration\n")?;
    let directory = place.0.join("conf.d").display().to_string();
    let output = tidegate(&["-c", "-f", &defaults, "-f", &directory])?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    Ok(())
}

#[test]
fn a_configuration_that_listens_nowhere_has_a_status_of_its_own() -> Result<()> {
    let place = Place::new("nowhere")?;
    let file = place.file("site.cfg", "global\n    nbthread 1\n")?;
    assert_eq!(tidegate(&["-c", "-f", &file])?.status.code(), Some(2));
    let run = tidegate(&["-f", &file])?;
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains("listens nowhere"), "{}", stderr(&run));
    Ok(())
}

#[test]
fn cc_evaluates_a_condition() -> Result<()> {
    for (condition, status) in [
        ("feature(LUA)", 0),
        ("feature(OPENSSL)", 0),
        ("feature(QUIC)", 1),
        ("streq(a,a) && !streq(a,b)", 0),
        ("oops(", 2),
    ] {
        let output = tidegate(&["-cc", condition])?;
        assert_eq!(
            output.status.code(),
            Some(status),
            "{condition}: {}",
            stderr(&output)
        );
    }
    Ok(())
}

#[test]
fn mistakes_on_the_command_line_are_told() -> Result<()> {
    for (args, wanted) in [
        (&[][..], "no configuration: name one with `-f FILE`"),
        (&["-f", "/nonexistent/site.cfg"], "/nonexistent/site.cfg"),
        (&["--frobnicate"], "unknown flag `--frobnicate`"),
        (&["-dR", "-f", "x"], "`-dR` is not supported"),
    ] {
        let output = tidegate(args)?;
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).contains(wanted), "{args:?}: {}", stderr(&output));
    }
    Ok(())
}

#[test]
fn a_bind_that_fails_names_every_line() -> Result<()> {
    let place = Place::new("bind")?;
    let taken = [
        std::net::TcpListener::bind("127.0.0.1:0")?,
        std::net::TcpListener::bind("127.0.0.1:0")?,
    ];
    let addresses = taken
        .iter()
        .map(|l| l.local_addr())
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let binds: String = addresses
        .iter()
        .map(|address| format!("    bind {address}\n"))
        .collect();
    let file = place.file("site.cfg", &SITE.replace("    bind 127.0.0.1:18080\n", &binds))?;
    let output = tidegate(&["-f", &file])?;
    assert_eq!(output.status.code(), Some(1));
    for address in addresses {
        assert!(
            stderr(&output).contains(&address.to_string()),
            "{address}: {}",
            stderr(&output)
        );
    }
    assert!(stderr(&output).contains("site.cfg:7"), "{}", stderr(&output));
    Ok(())
}

#[test]
fn dk_lists_what_is_registered_also_by_scripts() -> Result<()> {
    let place = Place::new("keywords")?;
    place.file(
        "own.lua",
        "core.register_fetches('tenant', function() end)\n\
         core.register_converters('shout', function() end)\n\
         core.register_action('check', { 'http-req' }, function() end)\n\
         core.register_service('hello', 'http', function() end)\n",
    )?;
    let script = place.0.join("own.lua").display().to_string();
    let file = place.file("site.cfg", &format!("global\n    lua-load {script}\n{SITE}"))?;
    let output = tidegate(&["-dKall", "-q", "-c", "-f", &file])?;
    let list = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let titles: Vec<&str> = list
        .lines()
        .filter(|line| line.starts_with("# List of"))
        .collect();
    assert_eq!(
        titles,
        [
            "# List of registered ACL keywords:",
            "# List of registered configuration keywords:",
            "# List of registered CLI keywords:",
            "# List of registered sample converter functions:",
            "# List of registered filter names:",
            "# List of registered sample fetch functions:",
            "# List of registered service names:",
        ]
    );
    for line in ["\thttp-request lua.check", "lua.hello", "path_beg = path -m beg"] {
        assert!(list.lines().any(|known| known == line), "{line}: {list}");
    }
    for part in ["] lua.tenant([string,", "\nlua.shout([string,"] {
        assert!(list.contains(part), "{part}: {list}");
    }

    let one = tidegate(&["-dKsvc", "-c", "-f", &file])?;
    assert_eq!(
        stdout(&one),
        "# List of registered service names:\nlua.hello\nConfiguration file is valid\n"
    );
    let help = tidegate(&["-dKhelp", "-q", "-c", "-f", &file])?;
    assert!(
        stdout(&help)
            .starts_with("# List of supported keyword classes:\nall: list all keywords\nacl: ACL keywords\n"),
        "{}",
        stdout(&help)
    );
    let wrong = tidegate(&["-dKsnp", "-c", "-f", &file])?;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        stderr(&wrong).contains("no class `snp`; did you mean `smp`?"),
        "{}",
        stderr(&wrong)
    );
    Ok(())
}

#[test]
fn warnings_keep_it_from_starting_where_that_is_asked_for() -> Result<()> {
    let place = Place::new("warnings")?;
    let suspicious = SITE.replace("    timeout client 5s\n", "");
    let file = place.file("site.cfg", &suspicious)?;
    let strict = place.file("strict.cfg", &format!("global\n    zero-warning\n{suspicious}"))?;
    let neat = place.file("neat.cfg", &format!("global\n    zero-warning\n{SITE}"))?;
    for (args, status, wanted) in [
        (&["-c", "-f", &file][..], 0, "warning[TG0205]"),
        (
            &["-c", "-dW", "-f", &file],
            1,
            "error: warnings were found, and `-dW` is given",
        ),
        (
            &["-c", "-f", &strict],
            1,
            "error: warnings were found, and `zero-warning` is set",
        ),
        // without the warning nobody would know what to change
        (&["-c", "-q", "-f", &strict], 1, "warning[TG0205]"),
        (&["-dW", "-f", &file], 1, "error: warnings were found"),
        (&["-c", "-dW", "-f", &neat], 0, ""),
    ] {
        let output = tidegate(args)?;
        assert_eq!(
            output.status.code(),
            Some(status),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(stderr(&output).contains(wanted), "{args:?}: {}", stderr(&output));
    }
    Ok(())
}

#[test]
fn messages_of_the_configuration_count_as_what_they_are() -> Result<()> {
    let place = Place::new("messages")?;
    let with = |directive: &str| place.file("site.cfg", &format!("{directive} \"hear me\"\n{SITE}"));
    for (directive, flag, status, shown) in [
        (".alert", "-V", 1, "error[TG0023]: hear me"),
        (".warning", "-V", 0, "warning[TG0023]: hear me"),
        (".warning", "-dW", 1, "warning[TG0023]: hear me"),
        (".notice", "-dW", 0, "notice[TG0023]: hear me"),
        (".diag", "-dD", 0, "notice[TG0023]: hear me"),
        (".diag", "-V", 0, ""),
    ] {
        let output = tidegate(&["-c", flag, "-f", &with(directive)?])?;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{directive} {flag}: {said}");
        assert!(said.contains(shown), "{directive} {flag}: {said}");
        assert_eq!(
            said.contains("hear me"),
            !shown.is_empty(),
            "{directive} {flag}: {said}"
        );
    }
    Ok(())
}

#[test]
fn the_name_among_peers_is_the_one_given() -> Result<()> {
    let place = Place::new("name")?;
    let file = place.file(
        "site.cfg",
        &format!(".notice \"I am ${{HAPROXY_LOCALPEER}}\"\n{SITE}"),
    )?;
    let output = tidegate(&["-c", "-L", "blue", "-f", &file])?;
    assert!(stderr(&output).contains("I am blue"), "{}", stderr(&output));
    Ok(())
}

#[test]
fn flags_stand_for_lines_behind_all_others() -> Result<()> {
    let place = Place::new("lines")?;
    let server = |words: &str| format!("{SITE}    server s {words}\n");
    let nameless = place.file("nameless.cfg", &server("nowhere.invalid:80"))?;
    let secure = place.file("secure.cfg", &server("127.0.0.1:1 ssl"))?;
    let plain = place.file("site.cfg", SITE)?;
    let check: String = "listen other\n    bind 127.0.0.1:18081\n    option external-check\n    \
                         external-check command /bin/true\n    server s 127.0.0.1:1 check\n"
        .into();
    let external = place.file(
        "external.cfg",
        &format!("global\n    external-check\n{SITE}{check}"),
    )?;
    for (flag, file, refused, told) in [
        (
            "-dr",
            &nameless,
            "cannot resolve `nowhere.invalid`",
            "begins without an address",
        ),
        ("-dV", &secure, "ca-file", ""),
        ("-dI", &external, "insecure-fork-wanted", ""),
        (
            "-de",
            &plain,
            "",
            "`noepoll` has no effect\n --> <command line>:2:5",
        ),
    ] {
        let without = tidegate(&["-c", "-f", file])?;
        assert_eq!(without.status.success(), refused.is_empty(), "{flag}");
        assert!(stderr(&without).contains(refused), "{flag}: {}", stderr(&without));
        let with = tidegate(&["-c", flag, "-f", file])?;
        assert!(with.status.success(), "{flag}: {}", stderr(&with));
        assert!(stderr(&with).contains(told), "{flag}: {}", stderr(&with));
    }
    Ok(())
}

#[test]
fn dl_lists_what_is_loaded() -> Result<()> {
    let place = Place::new("libraries")?;
    let file = place.file("site.cfg", SITE)?;
    let listed = stdout(&tidegate(&["-c", "-q", "-dL", "-f", &file])?);
    let program = std::fs::canonicalize(binary())?;
    assert_eq!(listed.lines().next(), program.to_str(), "{listed}");
    let libraries: Vec<&str> = listed.lines().filter(|line| line.contains("/libc.so")).collect();
    assert_eq!(libraries.len(), 1, "{listed}");
    Ok(())
}

#[test]
fn a_check_asks_for_nothing_that_only_the_machine_can_refuse() -> Result<()> {
    let place = Place::new("descriptors")?;
    let file = place.file("site.cfg", &format!("global\n    ulimit-n 1073741824\n{SITE}"))?;
    let output = tidegate(&["-c", "-f", &file])?;
    assert!(output.status.success(), "{}", stderr(&output));
    let output = tidegate(&["-f", &file])?;
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("cannot have 1073741824 open descriptors"),
        "{}",
        stderr(&output)
    );
    Ok(())
}

//! The master's socket (`-S`): the processes, and the way to the runtime API of each.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use support::Result;
use support::site::Site;

/// Longest wait for what a program at fault never does.
const PATIENCE: Duration = Duration::from_secs(20);

const CONFIG: &str = "global\n    nbthread 1\ndefaults\n    mode http\n    timeout client 15s\n\
    frontend site\n    bind 127.0.0.1:8080\n    http-request deny if { path -f virt@paths }\n    \
    http-request return status 200 content-type text/plain lf-string %pid\n";

struct Master {
    site: Site,
    socket: std::path::PathBuf,
}

impl Master {
    fn start(name: &str, options: &str) -> Result<Master> {
        let socket = std::env::temp_dir().join(format!("tidegate-{name}-{}.sock", std::process::id()));
        let flag = format!("{}{options}", socket.display());
        let site = Site::start_with(name, &[("site.cfg", CONFIG)], &["-W", "-S", &flag])?;
        Ok(Master { site, socket })
    }

    fn connect(&self) -> Result<UnixStream> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Everything that is answered to these lines.
    fn ask(&self, lines: &str) -> Result<String> {
        let mut stream = self.connect()?;
        stream.write_all(lines.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// The process that serves.
    fn serving(&self) -> Result<String> {
        let answer = self.site.get("/")?;
        Ok(answer.rsplit("\r\n").next().unwrap_or_default().to_owned())
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

#[test]
fn commands_go_to_the_process_that_their_prefix_names() -> Result<()> {
    let master = Master::start("mcli", "")?;
    let worker = master.serving()?;
    let pid = format!("\nPid: {worker}\n");
    assert!(master.ask("@1 show info\n")?.contains(&pid));
    assert!(master.ask(&format!("@!{worker} show info\n"))?.contains(&pid));
    assert!(master.ask("@1; show info; @; show info\n")?.contains(&pid));
    assert!(
        master
            .ask("show info\n")?
            .starts_with("Unknown command: `show info`")
    );
    let missing = "Can't find the target PID matching the prefix '@2'\n\n";
    assert_eq!(master.ask("@2 show info; show proc\n")?, missing);
    assert_eq!(master.ask("@1 echo a\\;b;@1 echo c\n")?, "a;b\n\nc\n\n");
    // What has a `;` behind it is whole where the client ends without a line's end, and nothing else is.
    assert_eq!(master.ask("echo a  b;@1 echo c;echo d")?, "a b\n\nc\n\n");
    assert_eq!(master.ask("@1 add acl virt@paths <<\n/a;")?, "");
    for (line, said) in [
        ("show env TIDEGATE_NO_SUCH", "Variable not found\n\n"),
        (
            "_loadstatus",
            "`_loadstatus` is not supported: the master and the other processes have a language of their own.\n\n",
        ),
    ] {
        assert_eq!(master.ask(&format!("{line}\n"))?, said);
    }
    let path = format!("PATH={}\n\n", std::env::var("PATH")?);
    assert_eq!(master.ask("show env PATH\n")?, path);
    // Line after line is taken, with what follows one.
    assert_eq!(
        master.ask("@1 add acl virt@paths <<END\n/a\n/b\nEND\n@1 get acl virt@paths /b\n")?,
        "\ntype=str, case=sensitive, match=yes, idx=tree, pattern=\"/b\"\n\n"
    );
    let table = master.ask("show proc\n")?;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[1][..2], [&master.site.pid().to_string()[..], "master"]);
    assert_eq!(rows[3][..3], [&worker[..], "worker", "0"]);
    Ok(())
}

#[test]
fn modes_and_levels_go_along() -> Result<()> {
    let master = Master::start("mcli-modes", ",level,operator")?;
    assert_eq!(
        master.ask("@1 show cli level;user;@1 show cli level\n")?,
        "operator\n\n\nuser\n\n"
    );
    assert_eq!(
        master.ask("expert-mode on;user;reload\n")?,
        "Permission denied\n\n\nPermission denied\n\n"
    );
    let master = Master::start("mcli-admin", "")?;
    let worker = master.serving()?;
    let said = master.ask("prompt\nexpert-mode on\n@1\nexpert-mode\n@1 expert-mode\n")?;
    let wanted = format!(
        "\nmaster> \nmaster(e)> {worker}(e)> expert-mode is ON\n\n{worker}(e)> expert-mode is ON\n\n{worker}(e)> "
    );
    assert_eq!(said, wanted);
    Ok(())
}

#[test]
fn a_session_with_a_process_lasts_until_that_ends_it() -> Result<()> {
    let master = Master::start("mcli-through", "")?;
    let mut reader = BufReader::new(master.connect()?);
    let mut exchange = |lines: &str, prompt: &str| -> Result<String> {
        reader.get_mut().write_all(lines.as_bytes())?;
        let mut said = Vec::new();
        while !said.ends_with(prompt.as_bytes()) {
            let mut byte = [0];
            reader.read_exact(&mut byte)?;
            said.extend(byte);
        }
        Ok(String::from_utf8(said)?)
    };
    assert_eq!(exchange("prompt\n", "master> ")?, "\nmaster> ");
    // The prompt tells that the process has ended it, and that the master takes lines again.
    assert_eq!(
        exchange("@@1 echo a; echo b\n", "master> ")?,
        "a\n\nb\n\nmaster> "
    );
    assert_eq!(exchange("@@1\n", "> ")?, "> ");
    assert_eq!(exchange("echo c\n", "> ")?, "c\n\n> ");
    assert_eq!(exchange("quit\n", "> ")?, "master> ");
    assert_eq!(exchange("show cli level\n", "> ")?, "admin\n\nmaster> ");
    Ok(())
}

#[test]
fn a_reload_tells_how_it_went() -> Result<()> {
    let master = Master::start("mcli-reload", "")?;
    let first = master.serving()?;
    let file = master.site.directory().join("site.cfg");
    let written = std::fs::read_to_string(&file)?;
    std::fs::write(&file, "nonsense\n")?;
    let answer = master.ask("reload\n")?;
    assert!(
        answer.starts_with("Success=0\n--\nerror[") && answer.contains("`nonsense`"),
        "{answer}"
    );
    assert_eq!(
        master.ask("show startup-logs\n")?,
        answer.replace("Success=0\n--\n", "")
    );
    assert!(master.ask("show proc\n")?.contains("1 [failed: 1]"));
    assert!(master.ask("prompt\n")?.ends_with("\nmaster[ReloadFailed]> "));
    assert_eq!(master.serving()?, first);
    std::fs::write(&file, written)?;
    assert!(master.ask("hard-reload\n")?.starts_with("Success=1\n--\n"));
    assert!(master.ask("show proc\n")?.contains("2 [failed: 0]"));
    let start = Instant::now();
    // Until the first one has ended, either may answer, or break off.
    while std::path::Path::new(&format!("/proc/{first}")).exists() {
        assert!(start.elapsed() < PATIENCE, "{first} never ended");
        std::thread::yield_now();
    }
    assert_ne!(master.serving()?, first);
    Ok(())
}

//! Scripts that never let the program start.

use std::process::Command;

use crate::SITE;
use crate::support::Result;
use crate::support::program::{binary, free_port};

/// The exit status and the errors of the program, run with these flags on a script that never lets it start.
fn refused(name: &str, flags: &[&str], script: &str) -> Result<(Option<i32>, String)> {
    let root = std::env::temp_dir().join(format!("tidegate-load-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    std::fs::write(root.join("site.lua"), script)?;
    let lines = SITE
        .replace("GLOBAL", "tune.lua.load-timeout 100ms")
        .replace("RULES", "")
        .replace("site/site.lua", "site.lua");
    let free = free_port()?;
    std::fs::write(root.join("site.cfg"), lines.replace("8080", &free.to_string()))?;
    let output = Command::new(binary())
        .args(flags)
        .args(["-f", "site.cfg"])
        .current_dir(&root)
        .output()?;
    std::fs::remove_dir_all(&root)?;
    Ok((
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

#[test]
fn os_exit_at_load_is_a_fault_of_the_script() -> Result<()> {
    for (name, flag) in [("exit-c", "-c"), ("exit-db", "-db")] {
        let (status, output) = refused(name, &[flag], "os.exit(0)")?;
        assert_eq!(status, Some(1), "{flag}: {output}");
        assert!(
            output.contains("os.exit") && output.contains("site.lua"),
            "{flag}: {output}"
        );
    }
    Ok(())
}

#[test]
fn an_endless_loop_before_anyone_is_served_is_bounded() -> Result<()> {
    for (name, script) in [
        ("load", "\nwhile true do end"),
        (
            "coroutine",
            "\ncoroutine.wrap(function() while true do end end)()",
        ),
        ("init", "\ncore.register_init(function() while true do end end)"),
        (
            "init-coroutine",
            "core.register_init(function()\ncoroutine.wrap(function() while true do end end)() end)",
        ),
        ("pcall", "\nwhile true do pcall(error) end"),
    ] {
        let (status, output) = refused(&format!("loop-{name}"), &["-db"], script)?;
        assert_eq!(status, Some(1), "{name}: {output}");
        assert!(
            output.contains("site.lua:2") && output.contains("timeout: ran 100 ms"),
            "{name}: {output}"
        );
    }
    // A check loads the scripts and leaves the init functions alone.
    let (status, output) = refused("loop-check", &["-c"], "\nwhile true do end")?;
    assert_eq!(status, Some(1), "{output}");
    assert!(output.contains("site.lua:2"), "{output}");
    Ok(())
}

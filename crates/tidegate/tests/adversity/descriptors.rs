//! No descriptors left for clients that come.

use std::process::Command;
use std::time::Duration;

use crate::ground::Ground;
use crate::support::Result;
use crate::support::origin::named;

/// Leaves the program as many descriptors as it has, and so many more.
fn limit(ground: &Ground, more: Option<usize>) -> Result<()> {
    let limit = match more {
        Some(more) => settled(ground)? + more,
        None => 1000,
    };
    let pid = ground.site.pid().to_string();
    let limit = format!("--nofile={limit}:");
    let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status()?;
    match set.success() {
        true => Ok(()),
        false => Err("prlimit failed".into()),
    }
}

/// How many it has once none is about to be closed.
fn settled(ground: &Ground) -> Result<usize> {
    let mut seen = Vec::new();
    loop {
        seen.push(ground.descriptors()?);
        if let [.., a, b, c, d] = seen[..]
            && [a, b, c] == [b, c, d]
        {
            return Ok(d);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn whoever_can_not_be_let_in_is_told_of_and_let_in_later() -> Result<()> {
    let mut ground = Ground::start("no-room", named("fine")?)?;
    limit(&ground, Some(0))?;
    let waiting = ground.site.begin("/")?;
    let told = ground.told()?;
    assert!(
        told.contains("frontend site takes no connections for now: Too many open files"),
        "{told}"
    );
    ground.is_well()?;
    limit(&ground, None)?;
    assert!(crate::support::site::rest(waiting)?.ends_with("served"));
    ground.is_well()
}

//! What is asked of the operating system at start.

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, Signal, getpid, getrlimit, kill_process, pidfd_getfd,
    pidfd_open, setrlimit,
};

/// A descriptor that this process inherited, by its number (`fd@N`).
///
/// # Errors
/// If there is none of that number.
pub(crate) fn inherited(number: i32) -> Result<Arc<OwnedFd>, String> {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|e| e.to_string())?;
    let fd = pidfd_getfd(own, number, PidfdGetfdFlags::empty())
        .map_err(|e| format!("descriptor {number} was not inherited: {e}"))?;
    Ok(Arc::new(fd))
}

/// What the system knows of a name: its first address, of IPv6 or IPv4 if that is asked for.
///
/// # Errors
/// There is none.
pub(crate) fn address_of(host: &str, v6: Option<bool>) -> Result<IpAddr, String> {
    let all = (host, 0).to_socket_addrs().map_err(|why| why.to_string())?;
    let mut ips = all.map(|address| address.ip());
    ips.find(|ip| v6.is_none_or(|v6| ip.is_ipv6() == v6))
        .ok_or_else(|| "it has no address of the family that is asked for".to_owned())
}

/// The program's file and those of the libraries that are loaded, a path a line.
///
/// # Errors
/// If the system doesn't tell.
pub(crate) fn loaded_files() -> std::io::Result<String> {
    Ok(files_of(&std::fs::read_to_string("/proc/self/maps")?))
}

/// The files with code among those that are mapped.
fn files_of(maps: &str) -> String {
    let mut listed: Vec<&str> = Vec::new();
    for line in maps.lines() {
        let Some(at) = line.find('/') else { continue };
        let (about, path) = line.split_at(at);
        let has_code = about.split(' ').nth(1).is_some_and(|rights| rights.contains('x'));
        if has_code && !listed.contains(&path) {
            listed.push(path);
        }
    }
    listed.iter().map(|path| format!("{path}\n")).collect()
}

/// `-m`: no more memory than that for the whole process. What an allocator merely reserves does not count.
///
/// # Errors
/// If the system refuses the limit.
pub(crate) fn limit_memory(mib: u64) -> Result<(), String> {
    let bytes = mib.saturating_mul(1 << 20);
    let limit = Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::Data, limit).map_err(|e| format!("cannot limit memory to {mib} MiB: {e}"))
}

/// What a configuration says of open descriptors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DescriptorLimits {
    /// `ulimit-n`
    pub(crate) wanted: Option<u64>,
    /// `fd-hard-limit`
    pub(crate) most: Option<u64>,
    /// No `no strict-limits`.
    pub(crate) strict: bool,
}

/// What there are descriptors for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Connections of clients, each with one to a server.
    pub(crate) connections: u32,
    /// Pipes between connections.
    pub(crate) pipes: u32,
}

/// Raises the limit of open descriptors as far as all that is wanted needs, and the system allows, or to what is said
/// of it. Gives what there is room for: connections come first.
///
/// # Errors
/// If the system refuses the limit that was asked for, unless that is allowed.
pub(crate) fn room_for(wanted: Room, limits: DescriptorLimits) -> Result<Room, String> {
    // Each session may have two sides; listeners, logs and a few pipes come on top.
    const BESIDES: u64 = 100;
    const PIPES_BESIDES: u32 = 16;
    let now = getrlimit(Resource::Nofile);
    if let Some(wanted) = limits.wanted {
        let limit = Rlimit {
            current: Some(wanted),
            maximum: Some(now.maximum.unwrap_or(u64::MAX).max(wanted)),
        };
        match setrlimit(Resource::Nofile, limit) {
            Err(e) if limits.strict => {
                return Err(format!("cannot have {wanted} open descriptors (`ulimit-n`): {e}"));
            }
            _ => {}
        }
    } else {
        let needed = (u64::from(wanted.connections) + u64::from(wanted.pipes)) * 2 + BESIDES;
        let most = now
            .maximum
            .unwrap_or(u64::MAX)
            .min(limits.most.unwrap_or(u64::MAX));
        if now.current.is_some_and(|current| current < needed) {
            let limit = Rlimit {
                current: Some(needed.min(most)),
                maximum: now.maximum,
            };
            let _ = setrlimit(Resource::Nofile, limit);
        }
    }
    let have = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let have = have.min(limits.most.unwrap_or(u64::MAX));
    let room = u32::try_from(have.saturating_sub(BESIDES) / 2).unwrap_or(u32::MAX);
    let connections = room.clamp(1, wanted.connections);
    let left = room.saturating_sub(connections).max(PIPES_BESIDES);
    Ok(Room {
        connections,
        pipes: wanted.pipes.min(left),
    })
}

/// The bytes of its own that the process has in memory; none where the system doesn't tell.
pub(crate) fn resident_own() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let known = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: usize = known.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Signals a process, which may be gone.
pub(crate) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// The most descriptors that the process may have.
pub(crate) fn descriptors_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The number of a user.
///
/// # Errors
/// If the system knows none of that name.
pub(crate) fn user(name: &str) -> Result<u32, String> {
    match nix::unistd::User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(format!("there is no user `{name}`")),
        Err(error) => Err(format!("cannot look up the user `{name}`: {error}")),
    }
}

/// The number of a group.
///
/// # Errors
/// If the system knows none of that name.
pub(crate) fn group(name: &str) -> Result<u32, String> {
    match nix::unistd::Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(format!("there is no group `{name}`")),
        Err(error) => Err(format!("cannot look up the group `{name}`: {error}")),
    }
}

/// By what this program was started: as its first argument says.
pub(crate) fn launched_as() -> OsString {
    let first = std::env::args_os().next();
    first.unwrap_or_else(|| OsString::from("tidegate"))
}

/// The name that this program was started by, without where it lies.
pub(crate) fn program_name() -> String {
    let launched = launched_as();
    let name = Path::new(&launched).file_name();
    name.unwrap_or(OsStr::new("tidegate"))
        .to_string_lossy()
        .into_owned()
}

/// The name of this machine.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

//! What is asked of the operating system at start.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::process::{
    PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, getpid, getrlimit, pidfd_getfd, pidfd_open, setrlimit,
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

/// Raises the limit of open descriptors as far as so many connections need, and the system allows. Gives the
/// connections for which there is room.
pub(crate) fn room_for_connections(wanted: u32) -> u32 {
    // Each session may have two sides; listeners, pipes and logs come on top.
    const BESIDES: u64 = 100;
    let needed = u64::from(wanted) * 2 + BESIDES;
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum.unwrap_or(u64::MAX);
    if now.current.is_some_and(|current| current < needed) {
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(needed.min(most)),
                maximum: now.maximum,
            },
        );
    }
    let have = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    u32::try_from(have.saturating_sub(BESIDES) / 2)
        .unwrap_or(u32::MAX)
        .clamp(1, wanted)
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

/// The name of this machine.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

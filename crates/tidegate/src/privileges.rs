//! What the process gives up once everything is open: its user, its group, and the view of all but one directory.

use std::path::PathBuf;
use std::time::SystemTime;

use nix::unistd::{Gid, Uid, chroot, setgid, setgroups, setuid};
use tidegate_config::model::{Owner, ProcessSettings};
use tidegate_config::{Diagnostic, Spanned, code};

use crate::system;

/// What is to be given up, looked up while there still is all to look it up in.
#[derive(Debug, Default)]
pub(crate) struct Privileges {
    user: Option<u32>,
    group: Option<u32>,
    chroot: Option<PathBuf>,
    /// `insecure-setuid-wanted`: programs that are started may become somebody else.
    keeps_setuid: bool,
}

impl Privileges {
    /// What a configuration says.
    ///
    /// # Errors
    /// It names a user or a group that isn't there, or a directory that is none.
    pub(crate) fn of(settings: &ProcessSettings) -> Result<Privileges, Box<Diagnostic>> {
        let chroot = settings.chroot.as_ref();
        if let Some(path) = chroot.filter(|path| !path.value.is_dir()) {
            let message = format!("`{}` is not a directory", path.value.display());
            return Err(Box::new(Diagnostic::error(
                code::BAD_ARGUMENT,
                path.span,
                message,
            )));
        }
        Ok(Privileges {
            user: number(settings.user.as_ref(), system::user)?,
            group: number(settings.group.as_ref(), system::group)?,
            chroot: chroot.map(|path| path.value.clone()),
            keeps_setuid: settings.keeps_setuid,
        })
    }

    /// Programs that this thread, and those that it starts from now on, may start get no more rights than they have.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn keep_from_more(&self) -> Result<(), String> {
        match self.keeps_setuid {
            true => Ok(()),
            false => rustix::thread::set_no_new_privs(true)
                .map_err(|e| format!("cannot keep programs that are started from more rights: {e}")),
        }
    }

    /// Gives it all up, for all threads.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn give_up(self) -> Result<(), String> {
        // Dates are the machine's, and no file tells them any more afterwards.
        let _ = tidegate_sample::date::syslog(SystemTime::now());
        if let Some(path) = self.chroot {
            let refused = |e| format!("cannot change the root to `{}`: {e}", path.display());
            chroot(&path).map_err(refused)?;
            std::env::set_current_dir("/").map_err(|e| format!("cannot change to the new root: {e}"))?;
        }
        if let Some(group) = self.group {
            // The groups of whoever started the process go too, where they may be told to.
            let _ = setgroups(&[]);
            setgid(Gid::from_raw(group)).map_err(|e| format!("cannot become group {group}: {e}"))?;
        }
        if let Some(user) = self.user {
            setuid(Uid::from_raw(user)).map_err(|e| format!("cannot become user {user}: {e}"))?;
        }
        Ok(())
    }
}

/// The number of a user or group that is named by its number or its name.
///
/// # Errors
/// There is none of that name.
pub(crate) fn number(
    owner: Option<&Spanned<Owner>>,
    look_up: fn(&str) -> Result<u32, String>,
) -> Result<Option<u32>, Box<Diagnostic>> {
    let Some(owner) = owner else { return Ok(None) };
    match &owner.value {
        Owner::Id(number) => Ok(Some(*number)),
        Owner::Name(name) => match look_up(name) {
            Ok(number) => Ok(Some(number)),
            Err(why) => Err(Box::new(Diagnostic::error(code::BAD_ARGUMENT, owner.span, why))),
        },
    }
}

//! Lines as they are sent to the master: commands, each for the process that its prefix names.

/// Which process a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `@`: the master.
    Master,
    /// `@1`: the process that serves. No other has such a number.
    Relative(u32),
    /// `@!1271`: this process, which may be on its way out.
    Pid(u32),
}

/// How a command is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'l> {
    /// For the process that was chosen.
    Plain(&'l [u8]),
    /// `@...`: for another one. Without a command it is chosen.
    At(Target, &'l [u8]),
    /// `@@...`: the rest of the line is for it, and what follows too until it has ended.
    Through(Target, &'l [u8]),
    /// A prefix that is none.
    Unknown(&'l [u8]),
}

/// A line, command by command.
pub(super) fn pieces(line: &[u8]) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest) = (Vec::new(), line);
    loop {
        let all = rest.trim_ascii_start();
        let (one, more) = split(all);
        let piece = piece(one, all);
        let takes_all = matches!(piece, Piece::Through(..));
        pieces.push(piece);
        match more.filter(|more| !takes_all && !more.trim_ascii().is_empty()) {
            Some(more) => rest = more,
            None => return pieces,
        }
    }
}

/// What stands before the first `;` that isn't protected, and what behind it.
fn split(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut bytes = line.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b';' => return (line.get(..at).unwrap_or_default(), line.get(at + 1..)),
            _ => {}
        }
    }
    (line, None)
}

fn piece<'l>(one: &'l [u8], all: &'l [u8]) -> Piece<'l> {
    let Some(prefixed) = one.strip_prefix(b"@") else {
        return Piece::Plain(one);
    };
    let through = prefixed.starts_with(b"@");
    let name = prefixed.strip_prefix(b"@").unwrap_or(prefixed);
    let end = name
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(name.len());
    let (name, _) = name.split_at(end);
    let prefix = 1 + usize::from(through) + end;
    let behind = |whole: &'l [u8]| whole.get(prefix..).unwrap_or_default().trim_ascii_start();
    match (target(name), through) {
        (Some(target), false) => Piece::At(target, behind(one)),
        (Some(target), true) => Piece::Through(target, behind(all)),
        (None, _) => Piece::Unknown(one.get(..prefix).unwrap_or_default()),
    }
}

fn target(name: &[u8]) -> Option<Target> {
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u32>().ok();
    match name {
        b"" | b"master" => Some(Target::Master),
        [b'!', pid @ ..] => number(pid).map(Target::Pid),
        digits => number(digits).map(Target::Relative),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Target::{Master, Pid, Relative};

    #[test]
    fn each_command_is_for_the_process_before_it() {
        assert_eq!(
            pieces(b"@1 show info;  @!12 show stat; @; show proc;"),
            [
                Piece::At(Relative(1), b"show info"),
                Piece::At(Pid(12), b"show stat"),
                Piece::At(Master, b""),
                Piece::Plain(b"show proc"),
            ]
        );
        assert_eq!(pieces(b"@@1 a; b"), [Piece::Through(Relative(1), b"a; b")]);
        assert_eq!(pieces(b"@@!7"), [Piece::Through(Pid(7), b"")]);
        assert_eq!(pieces(b"@x a; b"), [Piece::Unknown(b"@x"), Piece::Plain(b"b")]);
        assert_eq!(pieces(b""), [Piece::Plain(b"")]);
    }

    #[test]
    fn what_is_protected_ends_no_command() {
        assert_eq!(
            pieces(br"@1 add acl f a\;;@1 show acl f"),
            [
                Piece::At(Relative(1), br"add acl f a\;"),
                Piece::At(Relative(1), b"show acl f"),
            ]
        );
        assert_eq!(pieces(br"a\"), [Piece::Plain(br"a\")]);
    }
}

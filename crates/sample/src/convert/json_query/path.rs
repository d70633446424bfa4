//! Paths into JSON texts: names and indexes, a part of what RFC 9535 has.

/// From the root to a value.
#[derive(Clone, Debug)]
pub struct JsonPath(Box<[Step]>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Name(Box<[u8]>),
    Index(usize),
}

impl JsonPath {
    /// Reads `$.name`, `$['name']` and `$[0]`, and any number of them behind each other. A backslash before a dot or
    /// another backslash makes it part of the name.
    pub(super) fn parse(text: &str) -> Result<JsonPath, String> {
        let mut rest = text
            .strip_prefix('$')
            .ok_or_else(|| format!("`{text}` is no path, which begins with `$`"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(name) = rest.strip_prefix('.') {
                let (name, after) = unescaped(name, &['.', '[']);
                if name.is_empty() {
                    return Err(format!(
                        "a name is missing in `{text}`: only names and indexes are supported"
                    ));
                }
                steps.push(Step::Name(name.into_bytes().into()));
                rest = after;
            } else if let Some(inside) = rest.strip_prefix('[') {
                let (step, after) = bracket(inside)
                    .ok_or_else(|| format!("in `{text}`, brackets hold an index or a name in quotes"))?;
                steps.push(step);
                rest = after;
            } else {
                return Err(format!("in `{text}`, a `.` or a `[` follows the `$`"));
            }
        }
        Ok(JsonPath(steps.into()))
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }
}

/// What a bracket holds, and what follows it.
fn bracket(text: &str) -> Option<(Step, &str)> {
    for quote in ['\'', '"'] {
        if let Some(name) = text.strip_prefix(quote) {
            let (name, after) = unescaped(name, &[quote]);
            let after = after.strip_prefix(quote)?.strip_prefix(']')?;
            return Some((Step::Name(name.into_bytes().into()), after));
        }
    }
    let (index, after) = text.split_once(']')?;
    let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    index
        .parse()
        .ok()
        .filter(|_| digits)
        .map(|index| (Step::Index(index), after))
}

/// The text up to one of the characters, its backslashes undone, and the rest from there on.
fn unescaped<'a>(text: &'a str, ends: &[char]) -> (String, &'a str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if ends.contains(&c) {
            return (name, text.get(at..).unwrap_or_default());
        }
        name.push(match c {
            '\\' => match chars.clone().next() {
                Some((_, next)) if next == '\\' || ends.contains(&next) => {
                    chars.next();
                    next
                }
                _ => c,
            },
            c => c,
        });
    }
    (name, "")
}

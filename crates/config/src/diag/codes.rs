//! The stable codes of diagnostics: a code never changes its meaning and is never used again.

use std::fmt;

use super::page::Page;

/// The code of a kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    name: &'static str,
    meaning: &'static str,
    page: &'static str,
}

impl Code {
    /// The code, such as `TG0101`.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// What all faults with this code have in common.
    pub fn meaning(self) -> &'static str {
        self.meaning
    }

    /// What there is to say about it.
    pub fn page(self) -> Page {
        Page::of(self.page)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! codes {
    ($($ident:ident $name:literal $meaning:literal,)*) => {
        /// The codes.
        pub mod code {
            use super::Code;
            $(
                #[doc = $meaning]
                pub const $ident: Code = Code {
                    name: $name,
                    meaning: $meaning,
                    page: include_str!(concat!("pages/", $name, ".txt")),
                };
            )*
        }

        /// All codes, for reference pages.
        pub const CODES: &[Code] = &[$(code::$ident,)*];
    };
}

codes! {
    FILE_UNREADABLE "TG0001" "a file or directory can't be read",
    FILE_TOO_LARGE "TG0002" "a file is larger than what is accepted",
    NO_FILE "TG0003" "a directory holds no configuration file",

    UNMATCHED_QUOTE "TG0010" "a quote isn't closed",
    BAD_ESCAPE "TG0011" "an escape sequence isn't valid",
    BAD_VARIABLE "TG0012" "a reference to an environment variable isn't valid",
    CONTROL_BYTE "TG0013" "a byte has no place in a configuration",
    NOT_UTF8 "TG0014" "text is expected and isn't valid UTF-8",
    NO_CONTINUATION "TG0015" "a backslash at the end of a line doesn't continue it",
    TRUNCATED "TG0016" "the last line has no line feed",
    TOO_MANY_WORDS "TG0017" "a line has more words than accepted",

    BAD_CONDITION "TG0020" "the condition of a conditional block isn't valid",
    UNBALANCED_BLOCK "TG0021" "a conditional block isn't closed or was never opened",
    BAD_DIRECTIVE "TG0022" "an unknown or malformed directive starting with a dot",
    USER_MESSAGE "TG0023" "a message of `.notice`, `.warning`, `.alert` or `.diag`",

    UNKNOWN_SECTION "TG0100" "a keyword stands outside any section",
    UNKNOWN_KEYWORD "TG0101" "a keyword doesn't exist",
    NOT_YET "TG0102" "a keyword of HAProxy's that isn't supported yet",
    LEFT_OUT "TG0103" "a keyword of HAProxy's that is left out on purpose",
    WRONG_SECTION "TG0104" "a keyword doesn't belong in this section",
    MISSING_ARGUMENT "TG0105" "an argument is missing",
    EXTRA_ARGUMENT "TG0106" "there are more arguments than the keyword takes",
    BAD_ARGUMENT "TG0107" "an argument isn't what the keyword expects",
    BAD_NUMBER "TG0108" "a number, time or size isn't valid or is out of range",
    BAD_ADDRESS "TG0109" "an address isn't valid",
    BAD_NAME "TG0110" "a name holds a character that isn't permitted",

    BAD_EXPRESSION "TG0120" "a sample expression isn't valid",
    BAD_RULE_CONDITION "TG0121" "the condition of a rule isn't valid",
    BAD_ACL "TG0122" "an ACL isn't valid",
    BAD_LOG_FORMAT "TG0123" "a log-format string isn't valid",
    BAD_VARIABLE_NAME "TG0124" "the name of a variable isn't valid",
    BAD_PATTERN "TG0125" "an entry of a file of patterns or of a map isn't valid",

    DUPLICATE_NAME "TG0200" "a name is used twice",
    UNKNOWN_BACKEND "TG0201" "a backend isn't defined",
    UNKNOWN_DEFAULTS "TG0202" "a defaults section isn't defined",
    NO_BIND "TG0203" "a proxy listens nowhere",
    MISSING_TIMEOUT "TG0205" "a timeout that every proxy should have is missing",
    WRONG_MODE "TG0206" "a line has no effect in the proxy's mode",
    NO_EFFECT "TG0207" "a line has no effect",
    RULE_ORDER "TG0208" "rules are evaluated in another order than written",
    MODE_MISMATCH "TG0209" "a frontend and its backend are of different modes",
    NO_LOG "TG0210" "nothing is logged although a format is set",

    UNKNOWN_LUA_NAME "TG0300" "no script registered this name",
    LUA_LOAD_FAILED "TG0301" "a script can't be loaded",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_order() {
        for pair in CODES.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} before {}", pair[0], pair[1]);
        }
    }

    /// Whoever looks for a code, or filters by it, relies on its meaning. New ones are added to the list; none is
    /// changed or taken away.
    #[test]
    fn codes_keep_their_meanings() {
        let list: String = CODES
            .iter()
            .map(|code| format!("{} {}\n", code.name, code.meaning))
            .collect();
        assert_eq!(list, include_str!("codes.txt"));
    }
}

//! Words with a meaning of their own.

/// Words that begin a statement: where arguments end without a semicolon.
pub fn begins_statement(word: &str) -> bool {
    kind(word).is_some()
        || matches!(
            word,
            "reconfigure" | "if" | "else" | "begin" | "end" | "go" | "print" | "waitfor" | "return" | "while" | "at"
        )
}

/// The kind of statement that a word begins.
pub fn kind(word: &str) -> Option<&'static str> {
    const KINDS: [&str; 17] = [
        "select", "insert", "update", "delete", "merge", "exec", "execute", "declare", "set", "use", "with", "create", "drop",
        "alter", "truncate", "grant", "deny",
    ];
    KINDS.into_iter().find(|kind| *kind == word)
}

/// Words behind which the tables of a `FROM` are over.
pub fn ends_tables(word: &str) -> bool {
    matches!(
        word,
        "where"
            | "group"
            | "order"
            | "having"
            | "union"
            | "except"
            | "intersect"
            | "limit"
            | "offset"
            | "fetch"
            | "option"
            | "window"
            | "returning"
            | "values"
            | "for"
            | "loop"
    )
}

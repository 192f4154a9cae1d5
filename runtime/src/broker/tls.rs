//! What the clients of servers have in common where they speak TLS.

/// Whether these are words of `rustls` where the other side is not whom it should be, or speaks no
/// TLS: its errors come wrapped in those of a connection, which would be tried again.
pub(super) fn is_of_tls(words: &str) -> bool {
    ["certificate", "corrupt message", "received fatal alert", "InvalidContentType"]
        .iter()
        .any(|told| words.contains(told))
}

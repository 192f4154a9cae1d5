//! What a scraper or a probe asks of a process.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::process::Running;

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// All headers, as they came.
    pub headers: String,
    /// All of the body.
    pub body: String,
}

impl Running {
    /// The address that it listens at, from its log lines.
    ///
    /// # Panics
    /// If it ends before it tells.
    pub fn address(&mut self) -> String {
        self.field("address=")
    }
}

/// Asks `address` for `path`.
///
/// # Panics
/// If nobody answers there in HTTP.
pub fn ask(address: &str, method: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("{method} {path} HTTP/1.0\r\nHost: ttg\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("it answers in text");
    let (headers, body) = said.split_once("\r\n\r\n").expect("it speaks HTTP");
    let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer {
        status: status.expect("there is a status"),
        headers: headers.to_owned(),
        body: body.to_owned(),
    }
}

/// Asks `address` for `path` with GET.
pub fn get(address: &str, path: &str) -> Answer {
    ask(address, "GET", path)
}

/// The value of `series` in what `/metrics` says.
pub fn metric(said: &str, series: &str) -> Option<f64> {
    let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
    said.lines().find_map(value)
}

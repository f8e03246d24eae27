// SPDX-License-Identifier: BSD-2-Clause
//! `vsock`: connects standard input and output with a vsock stream, for Linux guests, whose busybox
//! has no such tool.
//!
//! ```text
//! vsock connect CID PORT    connects; CID 2 is the host
//! vsock listen PORT         takes one connection
//! vsock echo PORT           takes one connection and sends back what it gets
//! ```
//!
//! Ends when both directions have ended. Exit codes: 0 done, 1 refused or broken off, 2 wrong usage.
#![forbid(unsafe_code)]

use std::io::{Error, Read, Write, copy, stdin, stdout};
use std::net::Shutdown;
use std::process::ExitCode;
use std::thread;

use vsock::{VMADDR_CID_ANY, VsockListener, VsockStream};

const USAGE: &str = "usage: vsock connect CID PORT | vsock listen PORT | vsock echo PORT";

/// What the words after the program's name ask for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    /// Connect to a CID and port.
    Connect(u32, u32),
    /// Take one connection on a port.
    Listen(u32),
    /// Take one connection on a port and be its echo.
    Echo(u32),
}

fn parse(words: &[String]) -> Option<Request> {
    let number = |word: &String| word.parse().ok();
    match words {
        [verb, cid, port] if verb == "connect" => {
            Some(Request::Connect(number(cid)?, number(port)?))
        }
        [verb, port] if verb == "listen" => Some(Request::Listen(number(port)?)),
        [verb, port] if verb == "echo" => Some(Request::Echo(number(port)?)),
        _ => None,
    }
}

fn open(request: &Request) -> Result<VsockStream, Error> {
    match *request {
        Request::Connect(cid, port) => VsockStream::connect_with_cid_port(cid, port),
        Request::Listen(port) | Request::Echo(port) => {
            let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, port)?;
            listener.accept().map(|(stream, _)| stream)
        }
    }
}

/// Copies standard input to the stream, which then hears of the end, and the stream to standard
/// output.
fn relay(stream: &VsockStream) -> Result<(), Error> {
    let mut sending = stream.try_clone()?;
    let sender = thread::spawn(move || {
        // Input that ends, or a peer that is gone: either way nothing more is to be sent, and the
        // other direction says how it went.
        let _ = copy(&mut stdin().lock(), &mut sending);
        let _ = sending.shutdown(Shutdown::Write);
    });
    receive(stream)?;
    // The peer has ended; input that still waits for a key has no one to go to.
    if sender.is_finished() {
        let _ = sender.join();
    }
    Ok(())
}

/// Sends back what comes until the peer has ended.
fn echo(stream: &VsockStream) -> Result<(), Error> {
    copy(&mut &*stream, &mut &*stream)?;
    stream.shutdown(Shutdown::Write)
}

/// Shows bytes as they come, not when a buffer is full.
fn receive(mut stream: &VsockStream) -> Result<(), Error> {
    let mut bytes = [0; 4096];
    let mut out = stdout().lock();
    loop {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        out.write_all(bytes.get(..count).unwrap_or_default())?;
        out.flush()?;
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(request) = parse(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let serve = match request {
        Request::Echo(_) => echo,
        Request::Connect(..) | Request::Listen(_) => relay,
    };
    match open(&request).and_then(|stream| serve(&stream)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vsock: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Request> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn requests() {
        assert_eq!(words("connect 2 7"), Some(Request::Connect(2, 7)));
        assert_eq!(words("listen 9100"), Some(Request::Listen(9100)));
        assert_eq!(words("echo 78"), Some(Request::Echo(78)));
        for wrong in [
            "",
            "connect 2",
            "connect two 7",
            "listen -1",
            "listen 1 2",
            "echo",
            "say 1",
        ] {
            assert_eq!(words(wrong), None, "{wrong}");
        }
    }
}

// SPDX-License-Identifier: BSD-2-Clause
//! `netload`: as many UDP packets as the network takes, and how many arrive, for Linux guests, whose
//! busybox has no such tool.
//!
//! ```text
//! netload send ADDRESS:PORT SIZE MS   sends packets of SIZE bytes for so many milliseconds
//! netload receive PORT MS             waits for a packet, receives for so many milliseconds
//! ```
//!
//! Rates are those of frames on the wire without preamble and checksum: with Ethernet, IPv4 and UDP
//! headers, as the switch counts them. Exit codes: 0 done, 1 failed, 2 wrong usage.
#![forbid(unsafe_code)]

use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: netload send ADDRESS:PORT SIZE MS | netload receive PORT MS";

/// Bytes of Ethernet, IPv4 and UDP headers.
const HEADERS: u64 = 14 + 20 + 8;

/// Most bytes of a packet that no network here has to cut.
const MOST: usize = 1472;

/// What the words after the program's name ask for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    /// Send packets of a size to an address for a time.
    Send(SocketAddrV4, usize, Duration),
    /// Receive at a port for a time.
    Receive(u16, Duration),
}

fn parse(words: &[String]) -> Option<Request> {
    let time = |word: &String| {
        let ms = word.parse().ok().filter(|ms| *ms > 0)?;
        Some(Duration::from_millis(ms))
    };
    match words {
        [verb, to, size, ms] if verb == "send" => {
            let size = size.parse().ok().filter(|size| *size <= MOST)?;
            Some(Request::Send(to.parse().ok()?, size, time(ms)?))
        }
        [verb, port, ms] if verb == "receive" => {
            Some(Request::Receive(port.parse().ok()?, time(ms)?))
        }
        _ => None,
    }
}

/// Packets and the bytes of their frames.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    packets: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, payload: usize) {
        self.packets += 1;
        self.bytes += payload as u64 + HEADERS;
    }

    /// What is printed, with kilobits per second.
    fn report(&self, verb: &str, time: Duration) -> String {
        let bits = u128::from(self.bytes) * 8;
        let rate = bits * 1_000_000 / time.as_nanos().max(1);
        format!("{verb} {} packets at {rate} kbit/s", self.packets)
    }
}

/// A socket that blocks sends when the network takes no more.
fn send(to: SocketAddrV4, size: usize, time: Duration) -> Result<String, Error> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(to)?;
    let packet = [0x5a; MOST];
    let packet = packet.get(..size).unwrap_or_default();
    let mut count = Count::default();
    let start = Instant::now();
    while start.elapsed() < time {
        match socket.send(packet) {
            Ok(sent) => count.add(sent),
            // Nobody listens yet, or not any more; that does not stop a flood.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count.report("sent", start.elapsed()))
}

/// The time begins with the first packet, which is not counted: only what came in the time is.
fn receive(port: u16, time: Duration) -> Result<String, Error> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    let mut packet = [0; MOST];
    socket.recv(&mut packet)?;
    let start = Instant::now();
    socket.set_read_timeout(Some(time))?;
    let mut count = Count::default();
    loop {
        let received = socket.recv(&mut packet);
        let elapsed = start.elapsed();
        match received {
            Ok(_) if elapsed >= time => return Ok(count.report("received", time)),
            Ok(size) => count.add(size),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Ok(count.report("received", time));
            }
            Err(error) => return Err(error),
        }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match parse(&words) {
        Some(Request::Send(to, size, time)) => send(to, size, time),
        Some(Request::Receive(port, time)) => receive(port, time),
        None => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("netload: {error}");
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
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
        let second = Duration::from_secs(1);
        assert_eq!(
            words("send 127.0.0.1:9 1472 1000"),
            Some(Request::Send(to, 1472, second))
        );
        assert_eq!(words("receive 9 1000"), Some(Request::Receive(9, second)));
        for wrong in [
            "",
            "send 127.0.0.1:9 1473 1",
            "send 127.0.0.1 5 1",
            "receive 9 0",
            "receive 65536 1",
            "receive 9",
        ] {
            assert_eq!(words(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rates_are_of_frames() {
        let mut count = Count::default();
        for _ in 0..1000 {
            count.add(1208);
        }
        let report = count.report("sent", Duration::from_millis(500));
        assert_eq!(report, "sent 1000 packets at 20000 kbit/s");
    }

    #[test]
    fn what_is_sent_is_received() {
        let receiver = std::thread::spawn(|| receive(50_011, Duration::from_millis(50)).unwrap());
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 50_011);
        let sent = send(to, 100, Duration::from_millis(300)).unwrap();
        assert!(
            sent.starts_with("sent ") && !sent.contains(" 0 packets"),
            "{sent}"
        );
        let received = receiver.join().unwrap();
        assert!(
            received.starts_with("received ") && !received.contains(" 0 packets"),
            "{received}"
        );
    }
}

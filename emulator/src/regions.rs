//! Several regions at once: an emulator for each, which can go down and come back at its address.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use futures_util::future::join_all;
use tokio::net::TcpSocket;

use crate::server::{Emulator, Settings};

/// How many connections may wait to be accepted, as with any other emulator.
const BACKLOG: u32 = 1_024;

/// Emulators of several regions, each with records, faults and pace of its own. Dropping it aborts every
/// connection of all; [`Regions::shutdown`] lets calls end first.
#[derive(Debug)]
pub struct Regions {
    settings: Settings,
    /// In the order in which they were named.
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    region: String,
    addr: SocketAddr,
    /// `None` while the region is down.
    emulator: Option<Emulator>,
    /// Keeps the address of a region that is down: bound but not listening, it refuses connections.
    held: Option<TcpSocket>,
}

impl Regions {
    /// Starts an emulator for each region, all with these settings but for region and port: the ports follow
    /// on `settings.listen` in the order of the regions; port 0 means a free port for each. Where there are
    /// several, each refuses calls that were signed for another, as Bedrock does.
    ///
    /// # Errors
    /// `InvalidInput` for no region, a region named twice, what is no region's name, or a port beyond the
    /// last; else when an address cannot be bound.
    pub async fn start<R: Into<String>>(
        regions: impl IntoIterator<Item = R>,
        settings: Settings,
    ) -> io::Result<Self> {
        let regions = checked(regions.into_iter().map(Into::into).collect())?;
        let addresses = addresses(settings.listen, &regions)?;
        let refuses_other_regions = settings.refuses_other_regions || regions.len() > 1;
        let mut all = Self { settings: Settings { refuses_other_regions, ..settings }, places: Vec::new() };
        for (region, listen) in regions.into_iter().zip(addresses) {
            let emulator = Emulator::start(all.settings_of(&region, listen)).await.map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"))
            })?;
            all.places.push(Place { region, addr: emulator.addr(), emulator: Some(emulator), held: None });
        }
        Ok(all)
    }

    /// The emulator of a region; `None` while it is down, and for a region that was not named.
    #[must_use]
    pub fn get(&self, region: &str) -> Option<&Emulator> {
        self.places.iter().find(|place| place.region == region)?.emulator.as_ref()
    }

    /// The regions that are up with their emulators, in the order in which they were named.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Emulator)> {
        self.places.iter().filter_map(|place| Some((place.region.as_str(), place.emulator.as_ref()?)))
    }

    /// The endpoint URL of each region, also of those that are down.
    #[must_use]
    pub fn urls(&self) -> BTreeMap<String, String> {
        self.places.iter().map(|place| (place.region.clone(), format!("http://{}", place.addr))).collect()
    }

    /// Takes a region down: when this returns, its connections are broken off and new ones are refused. Its
    /// address stays its own. Nothing happens when it is down already.
    ///
    /// # Errors
    /// `NotFound` for a region that was not named; else when the address cannot be kept.
    pub async fn take_down(&mut self, region: &str) -> io::Result<()> {
        let place = self.place(region)?;
        if let Some(emulator) = place.emulator.take() {
            emulator.abort().await;
            place.held = Some(hold(place.addr)?);
        }
        Ok(())
    }

    /// Puts a region up again on the same address, as if newly started: without records, bill, faults, refused
    /// keys and pace of its former life. Nothing happens when it is up already.
    ///
    /// # Errors
    /// `NotFound` for a region that was not named; else when the address cannot be listened on.
    pub async fn put_up(&mut self, region: &str) -> io::Result<()> {
        let addr = self.place(region)?.addr;
        let settings = self.settings_of(region, addr);
        let place = self.place(region)?;
        if place.emulator.is_none() {
            let socket = place.held.take().map_or_else(|| hold(addr), Ok)?;
            place.emulator = Some(Emulator::on(socket.listen(BACKLOG)?, settings)?);
        }
        Ok(())
    }

    /// Stops accepting everywhere, lets the calls under way end, and returns when all have.
    pub async fn shutdown(self) {
        let emulators = self.places.into_iter().filter_map(|place| place.emulator);
        join_all(emulators.map(Emulator::shutdown)).await;
    }

    fn settings_of(&self, region: &str, listen: SocketAddr) -> Settings {
        Settings { listen, region: region.to_owned(), ..self.settings.clone() }
    }

    fn place(&mut self, region: &str) -> io::Result<&mut Place> {
        let known: Vec<_> = self.places.iter().map(|place| place.region.clone()).collect();
        let found = self.places.iter_mut().find(|place| place.region == region);
        found.ok_or_else(|| {
            let message = format!("no region `{region}`: expected one of {}", known.join(", "));
            io::Error::new(io::ErrorKind::NotFound, message)
        })
    }
}

/// The names, if each is one and stands there once.
fn checked(regions: Vec<String>) -> io::Result<Vec<String>> {
    if regions.is_empty() {
        return Err(invalid("no region: expected at least one".to_owned()));
    }
    for (index, region) in regions.iter().enumerate() {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if region.is_empty() || !region.chars().all(letters) {
            return Err(invalid(format!("`{region}` is no region: expected a name such as us-east-1")));
        }
        if regions.iter().skip(index + 1).any(|other| other == region) {
            return Err(invalid(format!("region {region} is named twice: expected each once")));
        }
    }
    Ok(regions)
}

/// An address for each region: one port after the other, or port 0 for all.
fn addresses(first: SocketAddr, regions: &[String]) -> io::Result<Vec<SocketAddr>> {
    let port = |index: usize| match first.port() {
        0 => Some(0),
        port => port.checked_add(u16::try_from(index).ok()?),
    };
    let ports = regions.iter().enumerate().map(|(index, region)| {
        port(index).map(|port| SocketAddr::new(first.ip(), port)).ok_or_else(|| {
            let (first, count) = (first.port(), regions.len());
            invalid(format!("no port for {region}: {count} ports from {first} on go beyond 65535"))
        })
    });
    ports.collect()
}

/// A socket that keeps an address without listening on it.
fn hold(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections that were broken off may linger in the kernel.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

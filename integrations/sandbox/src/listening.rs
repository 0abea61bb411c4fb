//! Taking a port, so that a sandbox continued from its folder is found where it was.

use std::net::{SocketAddr, TcpListener};

use url::Url;

use crate::SandboxError;

/// The largest body taken.
pub(crate) const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Takes the port asked for; with port 0 the port of the last run when it is free, else any.
pub(crate) fn listen(asked: SocketAddr, last_port: u16) -> Result<TcpListener, SandboxError> {
    let mut address = asked;
    if asked.port() == 0 && last_port != 0 {
        address.set_port(last_port);
        if let Ok(listener) = TcpListener::bind(address) {
            return Ok(listener);
        }
    }
    TcpListener::bind(asked).map_err(|source| SandboxError::Listen {
        address: asked.to_string(),
        source,
    })
}

/// Where a listener can be reached, as an address with a slash at its end, and its port.
pub(crate) fn reached(listener: &TcpListener) -> Result<(Url, u16), SandboxError> {
    let failed =
        |address: String| move |source: std::io::Error| SandboxError::Listen { address, source };
    let address = listener
        .local_addr()
        .map_err(failed("an unknown address".to_owned()))?;
    let url = Url::parse(&format!("http://{address}/"))
        .map_err(|error| failed(address.to_string())(std::io::Error::other(error)))?;
    Ok((url, address.port()))
}

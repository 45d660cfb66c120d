//! Cache points: Converse has them between blocks, the native format on the block before.

use bedrock_inference_proto::v1::CachePointBlock;
use serde::Serialize;

use super::place::Place;
use crate::contract::Refusals;

/// The prompt may be kept up to the end of the block that carries this.
#[derive(Serialize)]
pub(super) struct CacheControl<'r> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'r str>,
}

/// Marks what stands before a cache point; `None` where nothing there can be marked.
pub(super) fn mark<'r>(
    before: Option<&mut Option<CacheControl<'r>>>,
    point: &'r CachePointBlock,
    place: &Place<'_>,
    refusals: &mut Refusals,
) {
    if !matches!(point.r#type.as_deref(), None | Some("default")) {
        refusals.refuse(place.member("type").to_string(), "is not default");
    }
    let ttl = point.ttl.as_deref();
    if !matches!(ttl, None | Some("5m" | "1h")) {
        refusals.refuse(place.member("ttl").to_string(), "is neither 5m nor 1h");
    }
    match before {
        None => refusals.refuse(place.to_string(), "follows nothing that a native body can mark"),
        Some(Some(_)) => refusals.refuse(place.to_string(), "follows another cache point"),
        Some(unmarked) => *unmarked = Some(CacheControl { r#type: "ephemeral", ttl }),
    }
}

//! Price: what has no known price is refused here, where the operator wants it so.

use tower::{Layer, ServiceExt};

use super::layer;
use crate::call::{Call, CallService, Request};
use crate::config::UnpricedModels;
use crate::error::{Error, Reason};
use crate::price::Prices;

/// Lets a call pass to the targets whose price is known; to all where unpriced models only get a warning, which is
/// given with the usage.
pub fn price(
    prices: Prices,
    unpriced: UnpricedModels,
) -> impl Layer<CallService, Service = CallService> + Clone {
    layer(move |inside, mut call| {
        let checked = match unpriced {
            UnpricedModels::Warn => Ok(()),
            UnpricedModels::Refuse => keep_priced(&mut call, &prices),
        };
        async move {
            checked?;
            inside.oneshot(call).await
        }
    })
}

fn keep_priced(call: &mut Call, prices: &Prices) -> Result<(), Error> {
    if !matches!(*call.request, Request::Converse(_) | Request::Invoke(_)) {
        return Ok(());
    }
    let service = call.request.service();
    let unknown: Vec<_> = call.targets.iter().map(|target| prices.of(target, &service).err()).collect();
    if let Some(Some(why)) = unknown.first().filter(|_| unknown.iter().all(Option::is_some)) {
        let context = format!("{why}, and the operator lets nothing pass without one");
        return Err(Error::new(Reason::ModelNotPriced, context));
    }
    if unknown.iter().any(Option::is_some) {
        call.keep(unknown.iter().map(|why| why.as_ref().map(ToString::to_string)));
    }
    Ok(())
}

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
    let (mut kept, mut left_out) = (Vec::with_capacity(call.targets.len()), Vec::new());
    for target in call.targets.iter() {
        match prices.of(target, &service) {
            Ok(_) => kept.push(target.clone()),
            Err(why) => left_out.push((target, why)),
        }
    }
    match left_out.first() {
        None => return Ok(()),
        Some((_, why)) if kept.is_empty() => {
            let context = format!("{why}, and the operator lets nothing pass without one");
            return Err(Error::new(Reason::ModelNotPriced, context));
        }
        Some(_) => {}
    }
    for (target, why) in &left_out {
        call.report.left_out(target, &why.to_string());
    }
    call.targets = kept.into();
    Ok(())
}

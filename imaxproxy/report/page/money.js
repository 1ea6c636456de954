// Costs and power, as imaxproxy/economics has them (formulas.py, owner.py, cost.py): tests hold both together.
imax.money = (() => {
  const HOURS_PER_YEAR = 8760,
    J_PER_KWH = 3.6e6;

  /** The share of a sum that is due each year, so that it is paid off with interest after `years`. */
  function capitalRecovery(interest, years) {
    return interest === 0 ? 1 / years : interest / -Math.expm1(-years * Math.log1p(interest));
  }

  /** What a GPU-hour costs its owner, by its parts, in USD. */
  function ownersHour(owner, itKw, pue, usdPerKwh) {
    const recovery = capitalRecovery(owner.interest, owner.years);
    const kept = (owner.residual * recovery) / (1 + owner.interest) ** owner.years;
    const yearly = owner.capex_usd_per_gpu * (recovery - kept) + owner.fixed_usd_per_gpu_year;
    const capital = yearly / (HOURS_PER_YEAR * owner.availability);
    const colocation = (itKw * owner.colocation_usd_per_kw_month * 12) / HOURS_PER_YEAR;
    const electricity = itKw * owner.drawn_share * pue * usdPerKwh;
    return { capital, colocation, electricity, usd: capital + colocation + electricity };
  }

  /** USD for a million tokens: `gpuHours` a million, of one GPU, busy for `utilisation` of what is paid for. */
  const usdPerMillion = (usdPerGpuHour, gpuHours, utilisation = 1) => (usdPerGpuHour * gpuHours) / utilisation;

  /** kW of the facility that one GPU is provisioned with. */
  const facilityKw = (kw, boundary, pue) => (boundary === "facility" ? kw : kw * pue);

  const tokensPerMw = (tokensPerSecondPerGpu, kw) => (tokensPerSecondPerGpu * 1000) / kw;

  /** What the power of a million tokens costs, if all that is provisioned were drawn. */
  function electricityUsd(gpuHours, kw, boundary, pue, usdPerKwh) {
    const joules = (kw * 1000 * gpuHours * 3600) / 1e6;
    return ((joules * 1e6) / J_PER_KWH) * (boundary === "facility" ? 1 : pue) * usdPerKwh;
  }

  /** Revenue of one GPU in an hour, its margin and its break-even utilisation; null where nothing is sold. */
  function business(usdPerGpuHour, inputHours, outputHours, sellInput, sellOutput, utilisation) {
    const perHour = (sellInput / inputHours + sellOutput / outputHours) * utilisation;
    if (!perHour || !isFinite(perHour)) return null;
    return { revenue: perHour, margin: 1 - usdPerGpuHour / perHour, breakEven: usdPerGpuHour / perHour };
  }

  return { capitalRecovery, ownersHour, usdPerMillion, facilityKw, tokensPerMw, electricityUsd, business };
})();

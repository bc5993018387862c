# Writes mixed_more.csv beside this file: Rscript mixed_more.R   (R 4.2.2, glmmTMB 1.1.5, lme4 1.1-31)
suppressMessages({library(glmmTMB); library(lme4)})
rows <- list()
add <- function(set, model, terms, est, se, loglik) {
  rows[[length(rows) + 1]] <<- data.frame(dataset = set, model = model, term = c(terms, "logLik"),
    est = sprintf("%.12g", c(est, loglik)), se = sprintf("%.12g", c(se, rep(NA, length(est) + 1 - length(se)))))
}
for (set in c("sim_three_alg_latin", "sim_unbalanced_pool")) {
  d <- read.csv(paste0("input_", set, ".csv"), stringsAsFactors = TRUE)
  d$participant <- factor(d$participant); d$item <- factor(d$item)
  tmb <- glmmTMB(y ~ 0 + cond + (1 | participant) + (1 | item) + (1 | item:cond), data = d, family = binomial)
  b <- fixef(tmb)$cond; v <- sapply(VarCorr(tmb)$cond, function(x) sqrt(x[1]))
  add(set, "interaction", c(sub("cond", "", names(b)), "sd_participant", "sd_image", "sd_image:condition"), c(b, v),
    sqrt(diag(vcov(tmb)$cond)), as.numeric(logLik(tmb)))
  for (nodes in c(1, 25)) {
    fit <- glmer(y ~ 0 + cond + (1 | participant), data = d, family = binomial, nAGQ = nodes,
      control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(rhoend = 1e-9)))
    # lme4 takes the log-likelihood of nAGQ > 1 up to a constant; it is not compared there.
    add(set, paste0("participant_", nodes), c(sub("cond", "", names(fixef(fit))), "sd_participant"),
      c(fixef(fit), attr(VarCorr(fit)$participant, "stddev")), sqrt(diag(as.matrix(vcov(fit)))),
      if (nodes == 1) as.numeric(logLik(fit)) else NA)
  }
}
write.csv(do.call(rbind, rows), "mixed_more.csv", row.names = FALSE, quote = FALSE)

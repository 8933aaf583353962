import { mount } from "svelte";
import { client } from "./api/client";
import { openSource } from "./api/source";
import App from "./App.svelte";
import { theme } from "./frame/theme.svelte";
import { shown } from "./state/view.svelte";

// Before the first component: it draws the right view in the right colours at once.
theme.follow();
shown.follow();
mount(App, { target: document.getElementById("app")!, props: { api: client(openSource()) } });
